"""What happened in the lab, in order: kept in memory for the control API and as lines in log/events.jsonl."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEPT = 20_000


class Events:
    """A numbered list that several threads write.

    Args:
        path: file that takes every event as one line of JSON.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = path.open("a", buffering=1)
        self._guard = threading.Lock()
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._number = 0
        self.on_event: Callable[[], None] = lambda: None

    def add(self, source: str, event: str, details: dict[str, Any], at: float | None = None) -> None:
        """Write an event down."""
        with self._guard:
            self._number += 1
            moment = time.time() if at is None else at
            line = {"number": self._number, "at": moment, "source": source, "event": event, **details}
            self._kept.append(line)
            self._file.write(json.dumps(line, default=str) + "\n")
        self.on_event()

    def since(self, number: int) -> list[dict[str, Any]]:
        """Return the events after a number."""
        with self._guard:
            return [line for line in self._kept if line["number"] > number]

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            self._file.close()
