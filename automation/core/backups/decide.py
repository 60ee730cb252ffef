"""One decision a pass: what to do next for a set, given what is remembered and what was seen. Pure.

The same function takes a set from its first act to its promotion, undoes one that failed, and cleans up after a process
that died: it knows no difference but the memory. Whatever happens, the way out leads over an unlocked Bitbucket.
"""

from __future__ import annotations

from automation.core.backups.memory import (
    Act,
    ActName,
    BackupSettings,
    Decision,
    Ending,
    Finish,
    Memory,
    Outcome,
    Sight,
    Wait,
)
from automation.core.backups.sets import SetState, Snapshot, SnapshotState

FINISH_TRIES = 2
"""How often 100 % is sent: progress is cosmetic, and an unlock ends the task as well."""


def decide(memory: Memory, seen: Sight, settings: BackupSettings) -> Decision:
    """Return the next act, the gate that is waited for, or the end.

    Args:
        memory: after ``notes.note``, so that every reason to stop is in it.
        seen: what this pass observed.
        settings: limits.
    """
    if memory.stopping:
        return _free(memory, seen, settings) or _invalidate(memory)
    if memory.written is None:
        return Act(ActName.WRITE_MANIFEST)
    if memory.needs_lock and not memory.free:
        return _under_lock(memory)
    if not memory.begun:
        return Act(ActName.BEGIN_MEMBERS)
    return _complete(memory, seen)


def _under_lock(memory: Memory) -> Decision:
    """Users wait: nothing happens in here that could happen before or after."""
    unfixed = sum(member.at is None for member in memory.backup.members)
    steps: tuple[tuple[bool, Decision], ...] = (
        (not memory.unlock_token, Act(ActName.LOCK)),
        (not memory.cancel_token, Act(ActName.START_TASK)),
        (memory.drained is None, Wait("drained", "Bitbucket waits for running pushes, clones and transactions")),
        (not memory.begun, Act(ActName.BEGIN_MEMBERS)),
        (not memory.fixed, Wait("instants_fixed", f"of {len(memory.backup.members)} members, {unfixed} not yet")),
        (not memory.finished, Act(ActName.FINISH_TASK)),
    )
    return next((step for due, step in steps if due), Act(ActName.UNLOCK))


def _complete(memory: Memory, seen: Sight) -> Decision:
    """Outside the lock: nobody waits for this any more, and an operator may leave."""
    waiting = any(member.completed is None for member in memory.backup.members)
    target, until = memory.backup.recover_to, seen.recoverable_until
    behind = target is not None and (until is None or until < target)
    left = Finish(Outcome(Ending.PENDING, "left", "the cloud has not completed every member yet"))
    steps: tuple[tuple[bool, Decision], ...] = (
        (not memory.looked, Act(ActName.LOOK_AGAIN)),
        ((waiting or behind) and memory.leave, left),
        (waiting, Wait("members_completed", _percents(memory, seen))),
        (behind, Wait("recoverable", "the database's log has not reached the disks' instant yet")),
        (memory.labelled is not SetState.COMPLETE, Act(ActName.LABEL, SetState.COMPLETE)),
        (memory.written is not SetState.COMPLETE, Act(ActName.WRITE_MANIFEST)),
    )
    return next((step for due, step in steps if due), Finish(Outcome(Ending.COMPLETE)))


def _percents(memory: Memory, seen: Sight) -> str:
    found = {snapshot.id: snapshot for snapshot in seen.snapshots or ()}
    done = sum(member.completed is not None for member in memory.backup.members)
    shares = [100 if m.completed is not None else _percent(found.get(m.snapshot)) for m in memory.backup.members]
    return f"{done} of {len(shares)} members completed, {sum(shares) // max(1, len(shares))} %"


def _percent(snapshot: Snapshot | None) -> int:
    return 0 if snapshot is None else snapshot.percent


def _free(memory: Memory, seen: Sight, settings: BackupSettings) -> Decision | None:
    """Give Bitbucket back to its users; None when that is done."""
    if not memory.locked_out:
        return None
    if memory.trouble_since is not None and seen.at - memory.trouble_since >= settings.unlock_patience:
        return Finish(Outcome(Ending.LOCKED, "still_locked", f"unlocking failed: {memory.trouble}"))
    if not memory.unlock_token:
        return Act(ActName.FIND_TOKEN)
    if memory.cancel_token and not memory.cancelled and not memory.finished:
        return Act(ActName.CANCEL_TASK)
    return Act(ActName.UNLOCK)


def _invalidate(memory: Memory) -> Decision:
    if memory.labelled is not SetState.INVALID:
        return Act(ActName.LABEL, SetState.INVALID)
    if memory.written is not SetState.INVALID:  # also when it was never written: that answer may have been lost
        return Act(ActName.WRITE_MANIFEST)
    return Finish(Outcome(Ending.INVALID, memory.stopping, memory.why))


def failed(memory: Memory, seen: Sight) -> str:
    """Return what the cloud says of the first member that failed; empty when none did."""
    mine = {member.snapshot for member in memory.backup.members}
    broken = (s for s in seen.snapshots or () if s.id in mine and s.state is SnapshotState.FAILED)
    return next((f"{s.id} of {s.source}: {s.problem or 'failed'}" for s in broken), "")
