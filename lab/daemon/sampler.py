"""CPU use of the node processes, as the cloud's monitoring would have it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psutil

PERIOD = 5.0
"""Seconds between two figures: detailed monitoring's minute, in the lab's tempo."""


@dataclass(slots=True)
class Sampler:
    """Measures every node and records the figure.

    Attributes:
        record: where figures go: instance id -> percent.
        pids: instance id -> process id.
    """

    record: Callable[[Mapping[str, float]], None]
    pids: Callable[[], Mapping[str, int]]
    _before: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to measure."""
        self._thread = threading.Thread(target=self._run, name="cpu", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop measuring."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def sample(self) -> dict[str, float]:
        """Return the percentage of one CPU that each node has used since the last call."""
        figures = {}
        for instance, pid in self.pids().items():
            with contextlib.suppress(psutil.NoSuchProcess):
                used, now = _cpu_seconds(psutil.Process(pid)), time.monotonic()
                before = self._before.get(instance)
                self._before[instance] = (pid, used, now)
                if before is not None and before[0] == pid and now > before[2]:
                    figures[instance] = max(0.0, min(100.0, 100 * (used - before[1]) / (now - before[2])))
        return figures

    def _run(self) -> None:
        while not self._closing.wait(PERIOD):
            self.record({instance: round(percent, 2) for instance, percent in self.sample().items()})


def _cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a node and of the Git processes it has waited for."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
