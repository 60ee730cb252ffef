"""See Git processes off, whole: when a push is cut short, what Git itself has started must end with it.

A node counts its Git processes for the backup's drain. A child of Git that lived on unseen could still write into a
repository after everything was said to be drained.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

_NATURAL_SECONDS = 0.5
_GOODBYE_SECONDS = 5.0
_LOOK_SECONDS = 0.02


async def see_off(process: asyncio.subprocess.Process) -> None:
    """Wait for a process that leads a group of its own; one that is cut short may remove its lock files first."""
    if process.stdin is not None:
        process.stdin.close()
    if await _ended(process, _NATURAL_SECONDS):
        return
    _signal(process, signal.SIGTERM)
    if not await _ended(process, _GOODBYE_SECONDS):
        _signal(process, signal.SIGKILL)
        await process.wait()
    while members(process.pid):
        _signal(process, signal.SIGKILL)
        await asyncio.sleep(_LOOK_SECONDS)


def members(group: int) -> list[int]:
    """Return the living processes of a process group (zombies write nothing any more)."""
    return [pid for pid in _processes() if _is_member(pid, group)]


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), seconds)
    return process.returncode is not None


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # the whole group has ended by itself
        os.killpg(process.pid, number)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 -- /proc has no end of entries


def _is_member(pid: int, group: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False  # ended while we looked
    state, _, its_group = stat.rpartition(")")[2].split()[:3]  # the name in parentheses may hold anything
    return int(its_group) == group and state != "Z"
