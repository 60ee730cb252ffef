"""When schedules are due."""

from datetime import UTC, datetime

import pytest

from lab.aws.expressions import parse


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def due(expression, after, zone="UTC", times=1):
    """The next so many times, written in UTC."""
    parsed, moment, found = parse(expression, zone), at(after), []
    for _ in range(times):
        upcoming = parsed.after(moment, at(after))
        assert upcoming is not None
        moment = upcoming
        found.append(datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M"))
    return found if times > 1 else found[0]


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 1 * * ? *)", "2026-03-01T00:59", "2026-03-01 01:00"),
        ("cron(0 1 * * ? *)", "2026-03-01T01:00", "2026-03-02 01:00"),
        ("cron(30 2 ? * SUN *)", "2026-03-02T00:00", "2026-03-08 02:30"),
        ("cron(30 2 ? * 1 *)", "2026-03-02T00:00", "2026-03-08 02:30"),
        ("cron(0 1 1 * ? *)", "2026-12-05T00:00", "2027-01-01 01:00"),
        ("cron(0 1 L * ? *)", "2028-02-01T00:00", "2028-02-29 01:00"),
        ("cron(0 9 ? * MON#1 *)", "2026-03-03T00:00", "2026-04-06 09:00"),
        ("cron(0/20 8-10 ? * MON-FRI *)", "2026-03-06T10:40", "2026-03-09 08:00"),
        ("cron(5,35 * * JAN,jul ? *)", "2026-02-01T00:00", "2026-07-01 00:05"),
        ("cron(0 0 1 1 ? 2030)", "2026-03-01T00:00", "2030-01-01 00:00"),
        ("at(2026-03-05T10:00:00)", "2026-03-01T00:00", "2026-03-05 10:00"),
    ],
)
def test_the_next_time(expression, after, expected):
    assert due(expression, after) == expected


def test_a_rate_begins_at_once_and_keeps_its_step():
    rate = parse("rate(12 hours)")
    began = at("2026-03-01T00:00")
    assert rate.after(began - 1, began) == began
    assert due("rate(12 hours)", "2026-03-01T00:00", times=2) == ["2026-03-01 12:00", "2026-03-02 00:00"]


def test_clocks_that_change_leave_the_local_time():
    nights = due("cron(0 1 * * ? *)", "2026-03-28T00:30", "Europe/Berlin", times=3)
    assert nights == ["2026-03-29 00:00", "2026-03-29 23:00", "2026-03-30 23:00"]


@pytest.mark.parametrize("expression", ["cron(0 0 1 1 ? 2020)", "at(2026-01-01T00:00:00)"])
def test_what_is_over_is_never_due(expression):
    assert parse(expression).after(at("2026-03-01T00:00"), 0.0) is None


@pytest.mark.parametrize(
    "expression",
    [
        "daily",
        "rate(0 hours)",
        "cron(0 1 * * *)",
        "cron(0 1 * * * *)",
        "cron(0 1 ? * ? *)",
        "cron(60 1 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 1 32 * ? *)",
        "cron(0 1 1W * ? *)",
    ],
)
def test_what_it_does_not_understand_is_refused(expression):
    with pytest.raises(ValueError, match=r"."):
        parse(expression)
