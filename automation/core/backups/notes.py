"""What a pass remembers of what it saw before it decides; above all the reasons to give a set up."""

from __future__ import annotations

from dataclasses import replace

from automation.core.backups.decide import failed
from automation.core.backups.memory import BackupSettings, Lock, Memory, Sight
from automation.core.backups.sets import Member, MemberKind, Mode, Snapshot, SnapshotState
from automation.core.backups.validity import refuse


def stop(memory: Memory, reason: str, why: str) -> Memory:
    """Return the memory of a set that is given up; the first reason stands, and patience begins anew."""
    return memory if memory.stopping else replace(memory, stopping=reason, why=why, trouble_since=None)


def leave(memory: Memory, signal: str) -> Memory:
    """Return the memory after the operator's wish to go.

    What is not begun, or still locks users out, is given up first; what only waits for the cloud stays pending.
    """
    if memory.waits_for_cloud:
        return replace(memory, leave=True)
    return stop(memory, "interrupted", f"{signal} arrived before every member was begun and Bitbucket unlocked")


def adopt(memory: Memory) -> Memory:
    """Return the memory as a new process takes it over from one that died.

    A set can go on when nobody was locked out and every member had been begun: then only the cloud was waited for.
    """
    memory = replace(memory, adopted=True, trouble_since=None, trouble="", leave=False, outcome=None)
    if memory.waits_for_cloud:
        return memory
    return stop(memory, "process_died", f"the process that took it died ({memory.doing or 'between two acts'})")


def note(memory: Memory, seen: Sight, settings: BackupSettings) -> Memory:
    """Return the memory after this sight."""
    # Fixed counts from the pass after: only then was Bitbucket seen drained later than the last instant.
    fixed = memory.begun and all(member.at is not None for member in memory.backup.members)
    memory = _note_members(memory, seen)
    if memory.locked_out and memory.unlock_token:
        memory = _note_lock(memory, seen, fixed=fixed)
    if memory.locked_out:  # also while the lock's answer is awaited: users may be out already
        memory = _note_budget(memory, seen, settings)
    if memory.stopping:
        return memory
    if broken := failed(memory, seen):
        return stop(memory, "snapshot_failed", broken)
    return _note_end(memory, seen, settings)


def _note_members(memory: Memory, seen: Sight) -> Memory:
    if seen.snapshots is None:
        return memory
    found = {snapshot.id: snapshot for snapshot in seen.snapshots}
    members = tuple(_member(member, found.get(member.snapshot), seen.at) for member in memory.backup.members)
    percents = {**memory.percents, **{snapshot.id: snapshot.percent for snapshot in seen.snapshots}}
    return replace(memory, percents=percents, backup=replace(memory.backup, members=members))


def _member(member: Member, snapshot: Snapshot | None, now: float) -> Member:
    if snapshot is None:
        return member
    done = snapshot.state is SnapshotState.COMPLETED and member.completed is None
    newly_fixed = member.at is None and snapshot.at is not None
    return replace(
        member,
        at=snapshot.at if member.at is None else member.at,
        answered=now if newly_fixed else member.answered,
        completed=now if done else member.completed,
        encryption_key=snapshot.encryption_key or member.encryption_key,
    )


def _note_lock(memory: Memory, seen: Sight, *, fixed: bool) -> Memory:
    if seen.lock in {Lock.FREE, Lock.FOREIGN} and memory.unlock_tries == 0:
        return replace(stop(memory, "lock_lost", "somebody else freed or took the lock"), free=True)
    if memory.cancel_token and not memory.fixed and seen.lock is Lock.OURS and not seen.task_running:
        # Once all instants are fixed the task may end: our own 100 % ended it, though its answer was lost.
        memory = stop(memory, "task_cancelled", "somebody cancelled the backup task")
    if memory.drained is None and seen.drained:
        memory = replace(memory, drained=seen.at)
    if fixed and seen.drained:
        memory = replace(memory, fixed=True)
    return memory


def _note_budget(memory: Memory, seen: Sight, settings: BackupSettings) -> Memory:
    held = seen.at - (memory.asked or seen.at)
    if held > settings.lock_budget and not memory.fixed:
        why = f"users were locked out for {held:.0f} s, the budget is {settings.lock_budget:g} s"
        return stop(memory, "lock_budget", why)
    return memory


def _note_end(memory: Memory, seen: Sight, settings: BackupSettings) -> Memory:
    members, backup = memory.backup.members, memory.backup
    if not memory.begun or memory.locked_out:
        return memory
    late = seen.at - max((member.begun or backup.created) for member in members) > settings.complete_timeout
    if left := [member for member in members if member.completed is None]:
        return stop(memory, "complete_timeout", _unfinished(memory, left, settings)) if late else memory
    if memory.labelled is None:
        memory = _aligned(memory) if backup.recover_to is None else _unaligned(memory, seen, settings, late=late)
    broken = refuse(memory.backup, skew_limit=settings.skew_limit)
    return memory if broken is None else stop(memory, broken.name, broken.detail)


def _unfinished(memory: Memory, left: list[Member], settings: BackupSettings) -> str:
    """Say what never became complete: a snapshot, or the log of a database that is restored by time only."""
    by_time = {source.id for source in memory.sources if source.by_time}
    if all(member.source in by_time for member in left):
        return f"the database's log has not reached the set's instant after {settings.complete_timeout:g} s"
    return f"not completed after {settings.complete_timeout:g} s: {', '.join(member.source for member in left)}"


def _aligned(memory: Memory) -> Memory:
    """Say to which instant the database is to be restored, where a restore goes by time.

    Without a lock that is the disks' instant, where the database can be restored to any. With it, only a database that
    knows no other way needs one: its own, which was fixed between draining and unlocking.
    """
    databases = [s for s in memory.sources if s.kind is MemberKind.DATABASE]
    only = any(s.by_time for s in databases)
    locked = memory.backup.mode is Mode.LOCKED
    can = only or (not locked and any(s.recoverable_until is not None for s in databases))
    kind = MemberKind.DATABASE if locked else MemberKind.DISK
    instants = [m.at for m in memory.backup.of(kind) if m.at is not None]
    if not can or not instants:
        return memory
    members = tuple(_moved(m, max(instants)) if only else m for m in memory.backup.members)
    return replace(memory, backup=replace(memory.backup, members=members, recover_to=max(instants)))


def _moved(member: Member, instant: float) -> Member:
    """Return a member that is nothing but a moment at the instant that its database is restored to."""
    return replace(member, at=instant) if member.kind is MemberKind.DATABASE else member


def _unaligned(memory: Memory, seen: Sight, settings: BackupSettings, *, late: bool) -> Memory:
    """Let the database's own snapshot stand in when its log never reaches the instant: the skew is known.

    Where there is no such snapshot the set is given up.
    """
    until, target = seen.recoverable_until, memory.backup.recover_to
    behind = target is not None and (until is None or until < target)
    if not (late and behind):
        return memory
    if any(s.by_time for s in memory.sources):
        why = f"the database's log has not reached the set's instant after {settings.complete_timeout:g} s"
        return stop(memory, "complete_timeout", why)
    return replace(memory, backup=replace(memory.backup, recover_to=None))
