"""A provider as a process of its own: it says its port, and ends when it is told to or when nobody needs it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

_LOOK_SECONDS = 0.5
"""How often it looks whether the process that started it still lives."""


def stand(port: int, stop: Callable[[], None], parent: int) -> None:
    """Print the port, wait for SIGINT, SIGTERM or the end of the parent, then call ``stop``.

    Args:
        port: where the provider listens.
        stop: ends it.
        parent: id of the process that started this one, taken before anything that takes time.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not ended.wait(_LOOK_SECONDS) and os.getppid() == parent:
        pass
    stop()
