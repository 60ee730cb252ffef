"""Hold every process that can write still for a moment, as a snapshot of a disk sees it: between two instructions.

Linux only: it reads ``/proc``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
PATIENCE = 5.0
"""Seconds that a process may take to stop; one that waits for a disk takes its time."""
POLL = 0.0005
STOPPED, GONE = frozenset("Tt"), frozenset("ZXx")


class StillRunning(RuntimeError):
    """A process did not stop in time: a copy made now would not be of one moment."""


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of the process table."""

    pid: int
    state: str
    parent: int
    session: int


@contextlib.contextmanager
def frozen(roots: Iterable[int]) -> Iterator[None]:
    """Stop these processes, their descendants and their sessions; let them go on afterwards, whatever happens.

    Processes that somebody else has stopped before stay stopped.

    Raises:
        StillRunning: one of them did not stop within PATIENCE.
    """
    stopped: list[int] = []
    try:
        while found := [pid for pid in _family(set(roots)) if pid not in stopped]:
            _stop(found, stopped)
        yield
    finally:
        for pid in reversed(stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _stop(found: list[int], stopped: list[int]) -> None:
    """Stop parents before their children, so that none is born unnoticed; wait until all of them stand."""
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
    deadline = time.monotonic() + PATIENCE
    for pid in found:
        while (process := _read(pid)) is not None and process.state not in STOPPED | GONE:
            if time.monotonic() > deadline:
                raise StillRunning(f"process {pid} did not stop within {PATIENCE:.0f} s")
            time.sleep(POLL)


def _family(roots: set[int]) -> list[int]:
    """Return the running processes of these families, parents first."""
    table = {process.pid: process for process in _processes()}
    depths = {pid: depth for pid in table if (depth := _depth(table, pid, roots)) is not None}
    running = [pid for pid in depths if table[pid].state not in STOPPED | GONE and pid != os.getpid()]
    return sorted(running, key=lambda pid: depths[pid])


def _depth(table: dict[int, _Process], pid: int, roots: set[int]) -> int | None:
    """Return how far a process is below a root; None when it belongs to none."""
    step, climbed = table.get(pid), 0
    while step is not None and step.pid not in roots:
        step, climbed = table.get(step.parent), climbed + 1
    if step is not None:
        return climbed
    return 1 if table[pid].session in roots else None  # its parent has ended: the session still tells where it belongs


def _processes() -> Iterator[_Process]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (process := _read(int(entry.name))) is not None:
            yield process


def _read(pid: int) -> _Process | None:
    """Read one line of the table; None when the process is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent, _group, session = text.rpartition(")")[2].split()[:4]  # the name before may hold anything
    return _Process(pid, state, int(parent), int(session))
