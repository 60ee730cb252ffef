"""When a schedule is due: ``rate(...)``, ``cron(...)`` and ``at(...)`` of EventBridge Scheduler, in a time zone."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_WEEK = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = tuple(name.upper() for name in calendar.month_abbr[1:])
_LAST_YEAR = 2199


class Expression(Protocol):
    """An expression that was understood."""

    def after(self, moment: float, began: float) -> float | None:
        """Return when it is due next, later than ``moment``; None for never again.

        Args:
            moment: seconds since 1970.
            began: when the schedule was made or last changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds, the first time at once."""

    seconds: int

    def after(self, moment: float, began: float) -> float | None:
        """Count from the beginning."""
        return began if moment < began else began + ((moment - began) // self.seconds + 1) * self.seconds


@dataclass(frozen=True, slots=True)
class At:
    """Once."""

    when: float

    def after(self, moment: float, began: float) -> float | None:  # noqa: ARG002 - the protocol's signature
        """Return that time, unless it is over."""
        return self.when if self.when > moment else None


@dataclass(frozen=True, slots=True)
class Cron:
    """At the times of day, on the days, that the fields allow."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    on: Callable[[date], bool]
    zone: ZoneInfo

    def after(self, moment: float, began: float) -> float | None:  # noqa: ARG002 - the protocol's signature
        """Walk through the days until one has such a time."""
        for day in self._days(datetime.fromtimestamp(moment, self.zone).date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    due = datetime.combine(day, time(hour, minute), self.zone).timestamp()
                    if due > moment:
                        return due
        return None

    def _days(self, day: date) -> Iterator[date]:
        last = max(self.years)
        while day.year <= last:
            if day.year in self.years and day.month in self.months and self.on(day):
                yield day
            day += timedelta(days=1)


def parse(text: str, zone: str = "UTC") -> Expression:
    """Understand an expression.

    Raises:
        ValueError: it says nothing that this lab understands; the message names the part.
    """
    if found := _RATE.fullmatch(text):
        return Rate(int(found[1]) * _UNITS[found[2]])
    if found := _AT.fullmatch(text):
        return At(datetime.fromisoformat(found[1]).replace(tzinfo=ZoneInfo(zone)).timestamp())
    if found := _CRON.fullmatch(text):
        return _cron(found.groups(), zone)
    raise ValueError(f"{text!r} is neither rate(...) nor cron(...) nor at(...)")


def _cron(fields: tuple[str, ...], zone: str) -> Cron:
    minutes, hours, days, months, week, years = fields
    if (days == "?") == (week == "?"):
        raise ValueError("exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        minutes=numbers(minutes, 0, 59),
        hours=numbers(hours, 0, 23),
        months=numbers(months, 1, 12, _MONTHS),
        years=numbers(years, 1970, _LAST_YEAR),
        on=_of_month(days) if week == "?" else _of_week(week),
        zone=ZoneInfo(zone),
    )


def _of_month(text: str) -> Callable[[date], bool]:
    if text == "L":
        return lambda day: day.day == calendar.monthrange(day.year, day.month)[1]
    allowed = numbers(text, 1, 31)
    return lambda day: day.day in allowed


def _of_week(text: str) -> Callable[[date], bool]:
    name, _mark, nth = text.partition("#")
    allowed = numbers(name, 1, 7, _WEEK)
    if not nth:
        return lambda day: _weekday(day) in allowed
    week = int(nth)
    return lambda day: _weekday(day) in allowed and (day.day - 1) // 7 + 1 == week


def _weekday(day: date) -> int:
    """Return 1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1


def numbers(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """Read one field: ``*``, numbers or names, ranges, steps, and lists of them."""
    found: set[int] = set()
    for part in text.split(","):
        span, _slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = low if first == "*" else _number(first, low, names)
        end = high if first == "*" or (step and not dash) else begin
        found |= set(range(begin, (_number(last, low, names) if dash else end) + 1, int(step or 1)))
    if not found or min(found) < low or max(found) > high:
        raise ValueError(f"{text!r} is not within {low} to {high}")
    return frozenset(found)


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + low
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number that can be used here")
    return int(text)
