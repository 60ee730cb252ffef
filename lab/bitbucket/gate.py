"""What may begin on one node: Git processes and database writes, unless the cluster is latched for a backup.

A node closes its gate when a heartbeat tells it of the latch, and reports with the next one what still runs: counted
after the gate was closed, so nothing slips through between the two. Pure, but for a lock: writes come from threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lab.bitbucket.records import Json


class Latched(Exception):
    """Database and Git are latched for a backup: nothing new begins."""


class Gate:
    """Lets Git processes and writes begin, and counts those that have not ended."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._latch: str | None = None
        self._git = 0
        self._writes = 0

    @property
    def shut(self) -> bool:
        """True while nothing new may begin."""
        return self._latch is not None

    def latch(self, task: str | None) -> None:
        """Close the gate for the backup task ``task``; None opens it."""
        with self._guard:
            self._latch = task

    def counts(self) -> Json:
        """Return ``{git, writes, latch}``: what runs, and for which task nothing new begins."""
        with self._guard:
            return {"git": self._git, "writes": self._writes, "latch": self._latch}

    @contextmanager
    def git(self, *, writes: bool = False) -> Iterator[None]:
        """Stand for a Git process; with ``writes`` also for the rows that it will leave.

        Raises:
            Latched: it may not begin.
        """
        with self._passed(git=1, writes=int(writes)):
            yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """Stand for one change of the database.

        Raises:
            Latched: it may not begin.
        """
        with self._passed(git=0, writes=1):
            yield

    @contextmanager
    def _passed(self, git: int, writes: int) -> Iterator[None]:
        self._add(git, writes)
        try:
            yield
        finally:
            with self._guard:
                self._git -= git
                self._writes -= writes

    def _add(self, git: int, writes: int) -> None:
        with self._guard:
            if self._latch is not None:
                raise Latched("database and Git are latched for a backup")
            self._git += git
            self._writes += writes
