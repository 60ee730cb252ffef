"""Read a traffic report: requests and failures over time, as ``bbdc lab traffic report --json`` tells them.

Any load generator can write one: docs/reference/lab-traffic.md has the shape; of it, this module reads ``requests``,
``failed``, ``step``, ``series`` and ``failures``, and, where they are there, ``p99_ms`` and the figures of the pushes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automation.cli.exit_codes import Usage


@dataclass(frozen=True, slots=True)
class Slice:
    """What happened within one step."""

    at: float
    """Seconds since the epoch at its begin."""
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
    step: float
    """Seconds of one slice."""
    slices: tuple[Slice, ...]
    failures: tuple[Failed, ...] = ()
    p99_ms: float | None = None
    pushes_acknowledged: int | None = None
    pushes_verified: int | None = None


def read_traffic(shape: Any) -> Traffic:
    """Return the traffic that ``shape``, parsed JSON, tells.

    Raises:
        Usage: it has another shape.
    """
    try:
        return Traffic(
            requests=int(shape["requests"]),
            failed=int(shape["failed"]),
            step=float(shape["step"]),
            slices=tuple(Slice(float(at), int(requests), int(failed)) for at, requests, failed, *_ in shape["series"]),
            failures=tuple(_failed(row) for row in shape.get("failures", ())),
            p99_ms=shape.get("p99_ms"),
            pushes_acknowledged=shape.get("pushes_acknowledged"),
            pushes_verified=shape.get("pushes_verified"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Usage(
            f"the traffic report has another shape: {type(error).__name__}: {error}",
            hint="see docs/reference/lab-traffic.md",
        ) from error


def _failed(row: Any) -> Failed:
    words = [str(row[key]) for key in ("kind", "what", "status", "error") if row.get(key)]
    return Failed(float(row["time"]), ": ".join(words))
