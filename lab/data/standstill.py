"""Writers held still while disks are copied: copies that are made at the same time share one standstill."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field

from lab.data.freeze import frozen


@dataclass(slots=True)
class Standstill:
    """Holds writers still for as long as anybody copies.

    Attributes:
        writers: returns the process ids that may be writing.
        around: entered before the first of them stands and left when all go on again: whoever watches these processes
            must not take them for dead meanwhile.
    """

    writers: Callable[[], Iterable[int]]
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    _copies: int = 0
    _held: ExitStack = field(default_factory=ExitStack)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no writer run inside; those who were born since the first copy began are stopped by the next one.

        Raises:
            StillRunning: one of them did not stop; those of other copies still stand.
        """
        self._begin()
        try:
            yield
        finally:
            self._end()

    def _begin(self) -> None:
        with self._guard, ExitStack() as mine:
            if not self._copies:
                mine.enter_context(self.around())
            mine.enter_context(frozen(self.writers()))
            self._held.push(mine.pop_all())
            self._copies += 1

    def _end(self) -> None:
        with self._guard:
            self._copies -= 1
            if not self._copies:
                self._held.close()
