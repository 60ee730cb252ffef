"""Virtual time: it moves only when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable


class VirtualClock:
    """A clock port that jumps; whoever must live through the jump is told of every moment that matters."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._live: list[Callable[[float], None]] = []

    def on_move(self, live: Callable[[float], None]) -> None:
        """Call ``live`` with the new time whenever time has moved."""
        self._live.append(live)

    def now(self) -> float:
        """Return virtual seconds since the epoch."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._now += max(seconds, 0.0)
        for live in self._live:
            live(self._now)
