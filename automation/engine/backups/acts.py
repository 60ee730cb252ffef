"""Carry out one act of a backup; return the memory after it. Every act may be repeated after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from automation.core.backups import labels, notes
from automation.core.backups.decide import FINISH_TRIES
from automation.core.backups.memory import Act, ActName, Memory
from automation.core.backups.sets import Counts, LockTimes, Member, SetState, Snapshot, SnapshotState, Source
from automation.engine.backups.sight import found
from automation.ports.errors import BbdcError, Conflict, Forbidden, NotAuthenticated, NotFound, Unavailable, name_of
from automation.ports.safe import Safe
from automation.ports.vaults import Vault


@dataclass(frozen=True, slots=True)
class Done:
    """An act that was carried out, or only partly."""

    memory: Memory
    error: BbdcError | None = None
    """Why the rest of it was not."""


def perform(safe: Safe, act: Act, memory: Memory) -> Done:
    """Carry ``act`` out.

    Raises:
        BbdcError: it did not succeed, or may have happened without an answer.
    """
    if act.name is ActName.BEGIN_MEMBERS:
        return _begin_members(safe, memory)
    return Done(_ACTS[act.name](safe, memory))


def _write_manifest(safe: Safe, memory: Memory) -> Memory:
    state = SetState.PENDING
    if memory.stopping:
        state = SetState.INVALID
    elif memory.labelled is SetState.COMPLETE:
        state = SetState.COMPLETE
    ended = None if state is SetState.PENDING else safe.clock.now()
    backup = replace(memory.backup, state=state, reason=memory.stopping, detail=memory.why, ended=ended)
    safe.manifests.write(backup)
    return replace(memory, backup=backup, written=state)


def _lock(safe: Safe, memory: Memory) -> Memory:
    asked = safe.clock.now()
    memory = replace(memory, asked=memory.asked or asked)
    try:
        lock = safe.maintenance.lock()
    except Conflict as error:
        return _not_ours(safe, memory, error)
    except (Forbidden, NotAuthenticated) as error:
        if memory.trouble_since is not None:  # an earlier try may have locked
            raise
        return replace(notes.stop(memory, name_of(error), f"lock: {error}"), free=True)
    times = LockTimes(asked=asked, held=safe.clock.now())
    return replace(memory, asked=asked, unlock_token=lock.token, backup=replace(memory.backup, lock=times))


def _not_ours(safe: Safe, memory: Memory, error: Conflict) -> Memory:
    """Somebody holds the lock. It may be us, but only if an earlier answer of this very run was lost."""
    if memory.trouble_since is None:
        return _already_locked(memory, "somebody", error)
    owner = safe.maintenance.owner()
    if owner == safe.maintenance.user():
        return notes.stop(memory, "lock_answer_lost", "the answer to the lock was lost, and the token with it")
    return _already_locked(memory, owner or "somebody", error)


def _already_locked(memory: Memory, owner: str, error: Conflict) -> Memory:
    why = f"Bitbucket is locked already, by {owner}: {error.message}"
    return replace(notes.stop(memory, "already_locked", why), free=True)


def _start_task(safe: Safe, memory: Memory) -> Memory:
    try:
        task = safe.maintenance.start_task(memory.unlock_token)
    except Conflict as error:
        return notes.stop(memory, "task_refused", f"the backup task could not be started: {error.message}")
    return replace(memory, cancel_token=task.cancel_token)


def _begin_members(safe: Safe, memory: Memory) -> Done:
    """Begin everything that no member holds yet, all at once; what cannot be begun gives the set up."""
    if memory.trouble_since is not None:  # an answer was lost before: what it was about may be there by now
        # Trouble may be older than the drain, beginning never is.
        memory = _adopt_found(safe, memory, max(memory.trouble_since, memory.drained or 0.0))
    have = {member.source for member in memory.backup.members}
    calls = _calls(safe, memory, [source for source in memory.sources if source.id not in have])
    sent = safe.clock.now()
    answers = safe.together([*(call for _, call in calls), _half_way(safe, memory)])
    answered = safe.clock.now()
    errors = []
    for (sources, _), answer in zip(calls, answers[:-1], strict=True):
        if isinstance(answer, BbdcError):
            errors.append(answer)
        else:
            memory = _with(memory, sources, answer, sent, answered)
    return _after_errors(safe, _counted(memory), errors, sent)


def _counted(memory: Memory) -> Memory:
    return replace(memory, begun={s.id for s in memory.sources} <= {m.source for m in memory.backup.members})


def _half_way(safe: Safe, memory: Memory) -> Callable[[], tuple[Snapshot, ...]]:
    """Show administrators that something goes on: beside the calls that matter, and whatever comes of it."""

    def show() -> tuple[Snapshot, ...]:
        if memory.unlock_token:
            safe.maintenance.progress(memory.unlock_token, 50)
        return ()

    return show


def _calls(
    safe: Safe, memory: Memory, missing: Sequence[Source]
) -> list[tuple[tuple[Source, ...], Callable[[], tuple[Snapshot, ...]]]]:
    """One call for each group of each vault."""
    calls = []
    for vault in safe.vaults:
        mine = sorted((s for s in missing if s.kind is vault.kind), key=lambda s: (s.group or s.id, s.id))
        for _, group in groupby(mine, key=lambda s: s.group or s.id):
            sources = tuple(group)
            calls.append((sources, _beginning(vault, memory, sources)))
    return calls


def _beginning(vault: Vault, memory: Memory, sources: tuple[Source, ...]) -> Callable[[], tuple[Snapshot, ...]]:
    return lambda: vault.begin(memory.backup, sources)


def _with(
    memory: Memory, sources: Sequence[Source], snapshots: Sequence[Snapshot], sent: float, answered: float
) -> Memory:
    by_source = {snapshot.source: snapshot for snapshot in snapshots}
    members = tuple(_member(s, by_source[s.id], sent, answered) for s in sources if s.id in by_source)
    return replace(memory, backup=replace(memory.backup, members=(*memory.backup.members, *members)))


def _member(source: Source, snapshot: Snapshot, sent: float, answered: float) -> Member:
    return Member(
        kind=source.kind,
        source=source.id,
        snapshot=snapshot.id,
        role=source.role,
        at=snapshot.at,
        begun=sent,
        answered=answered,
        size=source.size,
        zone=source.zone,
        encryption_key=snapshot.encryption_key or source.encryption_key,
        facts=source.facts,
    )


def _after_errors(safe: Safe, memory: Memory, errors: Sequence[BbdcError], sent: float) -> Done:
    """An answer that was lost is looked for once; anything else gives the set up: a half set is worth nothing."""
    hard = next((error for error in errors if not isinstance(error, Unavailable)), None)
    if hard is not None:
        return Done(notes.stop(memory, getattr(hard, "name", "begin_failed"), str(hard)))
    if not errors:
        return Done(memory)
    try:
        memory = _adopt_found(safe, memory, sent)
    except Unavailable as error:
        return Done(memory, error)
    # What is not there is begun by the next pass, while the budget lasts.
    return Done(memory, None if memory.begun else errors[0])


def _adopt_found(safe: Safe, memory: Memory, sent: float) -> Memory:
    have = {member.source for member in memory.backup.members}
    there = [s for s in found(safe, memory) if s.source not in have]
    now = safe.clock.now()
    lost = [source for source in memory.sources if source.id not in have]
    return _counted(_with(memory, lost, there, sent, now))


def _finish_task(safe: Safe, memory: Memory) -> Memory:
    tries = memory.finish_tries + 1
    try:
        safe.maintenance.progress(memory.unlock_token, 100)
    except BbdcError as error:
        # Cosmetic: the unlock that follows ends the task as well. It never fails a good backup.
        return replace(memory, finish_tries=tries, finished=tries >= FINISH_TRIES, trouble=f"finish_task: {error}")
    return replace(memory, finish_tries=tries, finished=True)


def _cancel_task(safe: Safe, memory: Memory) -> Memory:
    try:
        safe.maintenance.cancel(memory.cancel_token)
    except BbdcError as error:
        # Tried once: the unlock cancels the task as well, and it is the unlock that users wait for.
        return replace(memory, cancelled=True, trouble=f"cancel_task: {error}")
    return replace(memory, cancelled=True)


def _find_token(safe: Safe, memory: Memory) -> Memory:
    """The lock may be ours and its token lost: ask who holds it, and look for the token where the nodes wrote it."""
    owner = safe.maintenance.owner()
    if owner is None or owner != safe.maintenance.user():
        return replace(memory, free=True)
    for token in safe.logs.unlock_tokens():
        try:
            safe.maintenance.unlock(token)
        except Conflict:
            continue  # the token of an earlier lock
        return replace(memory, free=True)
    raise NotFound(
        f"Bitbucket is locked by {owner}, and no node's log tells the token",
        hint="search the nodes' atlassian-bitbucket.log for 'may be unlocked with token', or restart all nodes",
    )


def _unlock(safe: Safe, memory: Memory) -> Memory:
    first = memory.unlock_tries == 0
    try:
        was_locked = safe.maintenance.unlock(memory.unlock_token)
    except Conflict as error:
        memory = replace(memory, free=True)
        return notes.stop(memory, "lock_lost", f"somebody else took the lock: {error.message}")
    memory = replace(memory, free=True, unlock_tries=memory.unlock_tries + 1)
    if first and not was_locked:
        return notes.stop(memory, "lock_lost", "Bitbucket was unlocked by somebody else before its members were fixed")
    if memory.backup.lock is None:
        return memory
    times = replace(memory.backup.lock, drained=memory.drained, released=safe.clock.now())
    return replace(memory, backup=replace(memory.backup, lock=times))


def _look_again(safe: Safe, memory: Memory) -> Memory:
    """After the members were begun: who is in the cluster now, and how many repositories there are."""
    counts = Counts(memory.backup.counts.repositories_before, safe.bitbucket.repositories())
    memory = replace(memory, looked=True, backup=replace(memory.backup, counts=counts))
    joined = sorted(node.id for node in safe.bitbucket.cluster().nodes if node.id not in memory.nodes)
    if joined and memory.needs_lock:
        why = f"{', '.join(joined)} joined while Bitbucket was locked: a new node notices the lock late"
        return notes.stop(memory, "node_joined", why)
    return memory


def _label(safe: Safe, memory: Memory) -> Memory:
    """Say on every member what the set is worth; on all that carry its tag, also those whose answer was lost."""
    state = SetState.INVALID if memory.stopping else SetState.COMPLETE
    known = {member.snapshot for member in memory.backup.members}
    vaults = {vault.kind: vault for vault in safe.vaults}
    there = found(safe, memory)
    if missing := known - {snapshot.id for snapshot in there}:
        memory = notes.stop(memory, "member_gone", f"no longer there: {', '.join(sorted(missing))}")
        state = SetState.INVALID
    for snapshot in there:
        mine = state if snapshot.id in known else SetState.INVALID
        vaults[snapshot.kind].label(snapshot, mine)
    for member in (m for m in memory.backup.members if m.snapshot in missing):
        _label_unlisted(vaults[member.kind], memory, member)
    return replace(memory, labelled=state)


def _label_unlisted(vault: Vault, memory: Memory, member: Member) -> None:
    """Call a member invalid that no listing shows: it is gone, or so young that listings lag behind."""
    words = labels.of_set(memory.backup)
    shown = Snapshot(member.kind, member.snapshot, member.source, SnapshotState.PENDING, at=member.at, tags=words)
    with suppress(NotFound):
        vault.label(shown, SetState.INVALID)


_ACTS: Mapping[ActName, Callable[[Safe, Memory], Memory]] = {
    ActName.WRITE_MANIFEST: _write_manifest,
    ActName.LOCK: _lock,
    ActName.START_TASK: _start_task,
    ActName.FINISH_TASK: _finish_task,
    ActName.CANCEL_TASK: _cancel_task,
    ActName.FIND_TOKEN: _find_token,
    ActName.UNLOCK: _unlock,
    ActName.LOOK_AGAIN: _look_again,
    ActName.LABEL: _label,
}
