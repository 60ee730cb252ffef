"""When a Container Apps job is due: five fields of cron, in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

from lab.aws.expressions import Cron, numbers

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FIELDS = 5
_YEARS = frozenset(range(1970, 2200))


def parse(text: str) -> Cron:
    """Understand ``minute hour day month weekday``.

    Raises:
        ValueError: it says nothing; the message names the part.
    """
    fields = text.split()
    if len(fields) != _FIELDS:
        raise ValueError(f"{text!r} has not the five fields minute, hour, day, month, weekday")
    minutes, hours, days, months, week = fields
    return Cron(
        minutes=numbers(minutes, 0, 59),
        hours=numbers(hours, 0, 23),
        months=numbers(months, 1, 12, _MONTHS),
        years=_YEARS,
        on=_on(days, week),
        zone=ZoneInfo("UTC"),
    )


def _on(days: str, week: str) -> Callable[[date], bool]:
    """Say on which days it is due: where both fields are restricted one of them is enough, as in every cron."""
    # Sunday is 0 and 7. A name of a day has its place in the list counted from 0.
    of_month, of_week = numbers(days, 1, 31), {day % 7 for day in numbers(week, 0, 7, _DAYS)}
    if days.startswith("*") or week.startswith("*"):
        return lambda day: day.day in of_month and day.isoweekday() % 7 in of_week
    return lambda day: day.day in of_month or day.isoweekday() % 7 in of_week
