"""The machine's own clock: the only place in the product that reads time and sleeps."""

from __future__ import annotations

import time


class SystemClock:
    """Implements ``ports.clock.Clock`` with the machine's wall clock."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; at once when it is zero or less."""
        if seconds > 0:
            time.sleep(seconds)
