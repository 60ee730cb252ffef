"""Read a traffic report: requests and failures by second, as ``bbdc lab traffic report --json`` tells them.

Any load generator can write one; docs/reference/runs.md has the shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from automation.cli.exit_codes import Usage


@dataclass(frozen=True, slots=True)
class Second:
    """What happened within one second."""

    at: float
    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class Failed:
    """One failed request."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """The load of a time, and what failed."""

    requests: int
    failed: int
    seconds: tuple[Second, ...]
    failures: tuple[Failed, ...] = ()


def read_traffic(shape: Any) -> Traffic:
    """Return the traffic that ``shape``, parsed JSON, tells.

    Raises:
        Usage: it has another shape.
    """
    try:
        return Traffic(
            requests=int(shape["requests"]),
            failed=int(shape["failed"]),
            seconds=tuple(_second(row) for row in shape["seconds"]),
            failures=tuple(_failed(row) for row in shape.get("failures", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Usage(
            f"the traffic report has another shape: {type(error).__name__}: {error}", hint="see docs/reference/runs.md"
        ) from error


def _second(row: Any) -> Second:
    return Second(_time(row["at"]), int(row["requests"]), int(row["failed"]))


def _failed(row: Any) -> Failed:
    words = [str(row[key]) for key in ("kind", "what", "detail", "error") if row.get(key)]
    return Failed(_time(row["at"]), ": ".join(words))


def _time(value: float | str) -> float:
    """Read seconds since the epoch, or ISO 8601."""
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(value)
