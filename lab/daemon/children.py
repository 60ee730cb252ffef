"""Processes of the daemon that must always run: the balancer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from lab.unit import Unit

AGAIN = 0.5
"""Seconds before a process that ended by itself is started again."""


class Keeper:
    """Keeps one unit running.

    Args:
        name: as in lab.json.
        unit: what runs.
        changed: called after every start.
    """

    def __init__(self, name: str, unit: Unit, changed: Callable[[], None]) -> None:
        self.name = name
        self.unit = unit
        self._changed = changed
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def open(self) -> None:
        """Start it and keep it."""
        self._thread.start()

    def close(self) -> None:
        """Stop it."""
        self._closing.set()
        self._thread.join()
        process = self.unit.process
        self.unit.stop(time.time())
        if process is not None:
            with contextlib.suppress(TimeoutError):
                _wait(self.unit)

    def _run(self) -> None:
        self.unit.start()
        self._changed()
        while not self._closing.wait(0.1):
            if self.unit.poll(time.time()) and not self._closing.wait(AGAIN):
                self.unit.start()
                self._changed()


def _wait(unit: Unit, patience: float = 5.0) -> None:
    deadline = time.time() + patience
    while unit.process is not None and time.time() < deadline + 1:
        if time.time() >= deadline:
            unit.kill()
        unit.poll(time.time())
        time.sleep(0.02)
