"""Several calls at once, in threads (``ports.together.Together``)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from automation.ports.errors import BbdcError

T = TypeVar("T")


class Threads:
    """Implements ``ports.together.Together``: all threads are up before the first call is sent."""

    def __call__(self, calls: Sequence[Callable[[], T]]) -> tuple[T | BbdcError, ...]:
        """Carry out all calls; see the port.

        Each call sees the caller's context variables, so that what it logs says whose it is.
        """
        if len(calls) < 2:
            return tuple(_caught(call) for call in calls)
        start = Barrier(len(calls))

        def run(call: Callable[[], T]) -> T | BbdcError:
            start.wait()
            return _caught(call)

        with ThreadPoolExecutor(len(calls), thread_name_prefix="together") as pool:
            waiting = [pool.submit(contextvars.copy_context().run, run, call) for call in calls]
        return tuple(each.result() for each in waiting)


def _caught(call: Callable[[], T]) -> T | BbdcError:
    try:
        return call()
    except BbdcError as error:
        return error
