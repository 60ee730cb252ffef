"""Let go of a lock in the middle of something long, so that others need not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unlocked(lock: threading.RLock) -> Iterator[None]:
    """Let others have ``lock`` inside, however often this thread holds it; afterwards it holds it as often again.

    Whoever uses it must leave things as others may find them.
    """
    times = 0
    try:
        while True:
            lock.release()
            times += 1
    except RuntimeError:  # it is not ours any more: this is how a lock says so
        pass
    try:
        yield
    finally:
        for _ in range(times):
            lock.acquire()
