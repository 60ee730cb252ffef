"""The words for everything that a backup does and waits for: the same on the board, in reports and in the pages."""

from __future__ import annotations

from collections.abc import Mapping

from automation.core.backups.memory import ActName, Ending, Memory
from automation.core.backups.sets import SetState
from automation.core.roll import Record

ACTS: Mapping[str, str] = {
    ActName.WRITE_MANIFEST: "manifest written",
    ActName.LOCK: "Bitbucket locked",
    ActName.START_TASK: "backup task started",
    ActName.BEGIN_MEMBERS: "members begun",
    ActName.FINISH_TASK: "backup task finished",
    ActName.CANCEL_TASK: "backup task cancelled",
    ActName.FIND_TOKEN: "unlock token looked for in the nodes' logs",
    ActName.UNLOCK: "Bitbucket unlocked",
    ActName.LOOK_AGAIN: "nodes and repositories counted again",
    ActName.LABEL: "members labelled",
}
GATES: Mapping[str, str] = {
    "drained": "running pushes, clones and transactions to end",
    "instants_fixed": "every member's instant to be fixed",
    "members_completed": "the cloud to complete every member",
    "recoverable": "the database's log to reach the disks' instant",
}
ENDINGS: Mapping[str, str] = {
    Ending.COMPLETE: "complete",
    Ending.INVALID: "invalid; nobody is locked out",
    Ending.PENDING: "pending; nobody is locked out, the next run completes it",
    Ending.LOCKED: "Bitbucket is still locked",
}
PHASES = (
    "preparing",
    "locking",
    "draining",
    "beginning",
    "fixing",
    "unlocking",
    "completing",
    "promoting",
    "giving up",
    "over",
)
"""How far a set is, in the order of a set under the lock."""


def phase(memory: Memory) -> str:
    """Return how far a set is: one of ``PHASES``."""
    if memory.outcome is not None:
        return "over"
    if memory.stopping:
        return "giving up"
    if memory.needs_lock and not memory.free:
        return _under_lock(memory)
    if not memory.begun:
        return "preparing" if memory.written is None else "beginning"
    waits = any(member.completed is None for member in memory.backup.members)
    return "completing" if waits or memory.labelled is not SetState.COMPLETE else "promoting"


def _under_lock(memory: Memory) -> str:
    if memory.asked is None:
        return "preparing"
    steps = (
        (not memory.unlock_token, "locking"),
        (memory.drained is None, "draining"),
        (not memory.begun, "beginning"),
        (not memory.fixed, "fixing"),
    )
    return next((name for due, name in steps if due), "unlocking")


def describe(record: Record) -> str:
    """Say one record in one line of plain words."""
    detail = f": {record.detail}" if record.detail else ""
    if record.kind == "act":
        return f"{ACTS.get(record.name, record.name.replace('_', ' '))}{detail}"
    if record.kind == "wait":
        detail = "" if record.name == "drained" else detail  # it says the same
        return f"waiting for {GATES.get(record.name, record.name.replace('_', ' '))}{detail}"
    if record.kind == "finish":
        reason = f": {record.subject}" if record.subject else ""
        return f"{ENDINGS.get(record.name, record.name)}{reason}{detail}"
    return f"{record.kind}: {record.name.replace('_', ' ')}{detail}"


def locked_seconds(memory: Memory, now: float) -> float | None:
    """Return for how long users were, or are, locked out; None when they never were."""
    lock = memory.backup.lock
    if lock is not None and lock.seconds is not None:
        return lock.seconds
    if memory.asked is None or not memory.locked_out:
        return None
    return max(0.0, now - memory.asked)
