"""Look at what the next decision about a set needs, and at nothing more: under the lock every call costs users time."""

from __future__ import annotations

from automation.core.backups.memory import Lock, Memory, Sight
from automation.core.backups.sets import Snapshot
from automation.ports.errors import Conflict
from automation.ports.safe import Safe


def look(safe: Safe, memory: Memory) -> Sight:
    """Observe once.

    Raises:
        BbdcError: some side could not be read; nothing is half observed.
    """
    lock, running, drained = _lock(safe, memory)
    snapshots = _snapshots(safe, memory)
    until = _recoverable(safe) if _wants_log(memory) else None
    return Sight(safe.clock.now(), lock, running, drained, snapshots, until)


def _lock(safe: Safe, memory: Memory) -> tuple[Lock, bool, bool]:
    if memory.free or memory.finished or memory.stopping or not memory.cancel_token:
        return Lock.UNSEEN, False, False  # the next call carries a token: its answer will tell
    try:
        state = safe.maintenance.state(memory.unlock_token)
    except Conflict:
        return Lock.FOREIGN, False, False
    if state is None:  # no task: either it was cancelled, or the lock is gone with everything
        return (Lock.FREE if safe.maintenance.owner() is None else Lock.OURS), False, False
    return Lock.OURS, state.is_running, state.is_drained


def _snapshots(safe: Safe, memory: Memory) -> tuple[Snapshot, ...] | None:
    """Read the set's snapshots of those kinds that something is still unknown of."""
    if not memory.begun or memory.stopping:
        return None
    members = memory.backup.members
    open_kinds = {
        m.kind for m in members if m.at is None or ((memory.free or not memory.needs_lock) and m.completed is None)
    }
    if not open_kinds:
        return None
    return tuple(s for v in safe.vaults if v.kind in open_kinds for s in v.snapshots(memory.backup.id))


def found(safe: Safe, memory: Memory) -> tuple[Snapshot, ...]:
    """Return every snapshot that carries the set's tag, whether the memory knows it or not."""
    return tuple(s for vault in safe.vaults for s in vault.snapshots(memory.backup.id))


def _wants_log(memory: Memory) -> bool:
    done = all(member.completed is not None for member in memory.backup.members)
    return memory.begun and done and memory.backup.recover_to is not None and not memory.stopping


def _recoverable(safe: Safe) -> float | None:
    known = [s.recoverable_until for s in safe.database.sources() if s.recoverable_until is not None]
    return min(known, default=None)
