"""Who is alive: a process is named by its id and its time of birth, never by the id alone."""

import os

import psutil

TOLERANCE = 0.05
"""Seconds by which two readings of one process's birth may differ."""


def birth(pid: int) -> float | None:
    """When a process was started, seconds since the epoch; None when there is no such process."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def own_birth() -> float:
    """When this process was started."""
    started = birth(os.getpid())
    if started is None:
        raise RuntimeError("this process cannot see itself")
    return started


def is_alive(pid: int, created: float | None) -> bool:
    """Whether the very process still lives.

    Args:
        pid: its id.
        created: its birth, or None when unknown (then any process of that id counts).
    """
    started = birth(pid)
    if started is None:
        return False
    return created is None or abs(started - created) < TOLERANCE
