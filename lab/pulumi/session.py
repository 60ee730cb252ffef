"""One call of the command line: where it runs, its environment, and where its words go.

Everything below takes these explicitly; nothing reads the process's own environment or working directory, so that
several calls can run in one process.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.pulumi.errors import UsageError


class Cancellation:
    """A request to stop, made at most once, from any thread."""

    def __init__(self) -> None:
        """Not requested yet."""
        self._event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def request(self) -> None:
        """Ask to stop; callbacks run once, in the caller's thread."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def on_request(self, callback: Callable[[], None]) -> None:
        """Run the callback at the request, or at once when it was made already."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    @property
    def requested(self) -> bool:
        """Whether someone asked to stop."""
        return self._event.is_set()


def _no_terminal(prompt: str) -> str:
    raise UsageError(f"{prompt}: cannot ask, this is not a terminal")


@dataclass(frozen=True, slots=True)
class Session:
    """A call's surroundings.

    Attributes:
        cwd: absolute working directory.
        env: environment variables.
        write: prints one line to standard output, at once.
        error: prints one line to standard error.
        interactive: a person can answer questions.
        ask: shows a prompt and returns the answer.
        read: returns all of standard input.
        cancellation: set by SIGINT and SIGTERM.
    """

    cwd: Path
    env: Mapping[str, str]
    write: Callable[[str], None]
    error: Callable[[str], None]
    interactive: bool = False
    ask: Callable[[str], str] = _no_terminal
    read: Callable[[], str] = lambda: ""
    cancellation: Cancellation = field(default_factory=Cancellation)
