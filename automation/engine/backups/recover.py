"""After a process that died: free the lock it left, bring its sets to an end, and list what belongs to nobody."""

from __future__ import annotations

from dataclasses import dataclass

from automation.core.backups import notes
from automation.core.backups.memory import BackupSettings, Memory
from automation.core.backups.sets import BackupSet, Mode, SetState, Snapshot
from automation.engine.backups.shelf import shelf
from automation.engine.backups.take import Tell, Wish, nobody_stops, take
from automation.ports.errors import BbdcError, Refused
from automation.ports.safe import Safe


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found and what became of it."""

    ended: tuple[Memory, ...]
    """Sets of the journal that were not over, each with its outcome now."""
    owner: str | None
    """Who holds the maintenance lock now; None when Bitbucket is free."""
    owner_unknown: str
    """Why the lock's holder could not be asked for; empty when it could."""
    stale: tuple[BackupSet, ...]
    """Sets that are pending by their manifest and unknown to this journal: another machine takes them, or did."""
    orphans: tuple[Snapshot, ...]
    """Snapshots with our tags that no manifest knows."""


def finish_others(
    safe: Safe,
    settings: BackupSettings,
    cluster: str,
    *,
    stop: Wish = nobody_stops,
    tell: Tell = lambda _record, _memory: None,
) -> tuple[Memory, ...]:
    """Bring every unfinished set to its end; the caller holds the cluster, so the processes of all are dead.

    Users first: a set that only waits for the cloud may wait for hours, and must not keep a lock from being freed.
    """
    unfinished = sorted(safe.journal.unfinished(cluster), key=lambda memory: not memory.locked_out)
    return tuple(take(safe, settings, notes.adopt(memory), stop=stop, tell=tell) for memory in unfinished)


def recover(
    safe: Safe,
    settings: BackupSettings,
    cluster: str,
    *,
    stop: Wish = nobody_stops,
    tell: Tell = lambda _record, _memory: None,
) -> Recovered:
    """Finish what dead processes left, then look around.

    Raises:
        BbdcError: the cloud or Bitbucket could not be asked.
    """
    ended = finish_others(safe, settings, cluster, stop=stop, tell=tell)
    owner, unknown = _owner(safe)
    there = shelf(safe)
    mine = {memory.backup.id for memory in safe.journal.unfinished(cluster)}
    stale = tuple(each for each in there.sets if each.state is SetState.PENDING and each.id not in mine)
    return Recovered(ended, owner, unknown, stale, there.orphans)


def _owner(safe: Safe) -> tuple[str | None, str]:
    if not safe.maintenance.user():
        return None, "asking for the lock takes user and password"
    try:
        return safe.maintenance.owner(), ""
    except BbdcError as error:
        return None, str(error)


def abandon(
    safe: Safe,
    settings: BackupSettings,
    set_id: str,
    *,
    stop: Wish = nobody_stops,
    tell: Tell = lambda _record, _memory: None,
) -> Memory:
    """End a pending set whose journal is lost with its machine: free its lock, call its members invalid.

    The lock is freed only when the user who holds it is ours, with the token that the nodes' logs tell of. The caller
    knows that nobody takes this set any more.

    Returns:
        The set's memory with its outcome; from its first pass on it stands in this journal.

    Raises:
        NotFound: there is no such set.
        Refused: the set is not pending.
    """
    found = safe.manifests.read(set_id)
    if found.state is not SetState.PENDING:
        raise Refused("not_pending", f"set {set_id} is {found.state}", hint="only a pending set can be abandoned")
    asked = found.created if found.mode is Mode.LOCKED and safe.maintenance.user() else None
    memory = Memory(found, written=SetState.PENDING, asked=asked, adopted=True)
    return take(safe, settings, notes.stop(memory, "abandoned", "its journal is lost"), stop=stop, tell=tell)
