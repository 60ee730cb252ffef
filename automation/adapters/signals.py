"""Signals as wishes: TERM, INT and HUP ask a backup to stop, and never break it off half-way.

The system's own way would end the process where it stands, with Bitbucket locked.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FIRST = "{signal} heard: stopping in order; what is half done is undone, and Bitbucket unlocked"
AGAIN = "still stopping: Bitbucket is being unlocked; kill -9 would leave it locked until `bbdc recover`"


def to_standard_error(text: str) -> None:
    """Write one line; safe inside a signal's handler, where buffered streams are not."""
    os.write(2, f"bbdc: {text}\n".encode())


class Wishes:
    """Hears signals for as long as it is entered; handlers are as before afterwards.

    Outside the main thread Python hears no signals, and this hears none either. A signal that was ignored before,
    as HUP is under ``nohup``, stays ignored.
    """

    def __init__(self, say: Callable[[str], None] = to_standard_error) -> None:
        self._say = say
        self._name = ""
        self._before: dict[signal.Signals, Any] = {}

    def wish(self) -> str:
        """Return the name of the first signal heard; empty while none was."""
        return self._name

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in HEARD:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # None stands for a handler that Python did not set and cannot set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self._name:
            self._say(AGAIN)
            return
        self._name = signal.Signals(number).name
        self._say(FIRST.format(signal=self._name))
