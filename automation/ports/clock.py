"""The clock: the only source of time and the only sleep in the program."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall-clock time and sleeping; virtual in tests."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; at once when it is zero or less."""
        ...
