"""A thread that lets a world catch up with the clock between requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Ticker:
    """The thread.

    Attributes:
        advance: what it calls; takes the lock itself.
        seconds: between two calls; None for no thread at all.
    """

    advance: Callable[[], None]
    seconds: float | None
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        if self.seconds is not None:
            self._thread = threading.Thread(target=self._run, name="azure-clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, after the call that is under way."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self.seconds):
            try:
                self.advance()
            except Exception:  # noqa: BLE001 - the next tick tries again; the log keeps the reason
                _log.exception("the Azure world stumbled")
