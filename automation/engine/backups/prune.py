"""Remove what retention no longer keeps: whole sets, the plan first, and never what it promises to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace

from automation.core.backups.labels import SET
from automation.core.backups.retention import PRUNED, Retention, Verdict, judge
from automation.core.backups.sets import BackupSet, SetState, Snapshot
from automation.engine.backups.shelf import Shelf, shelf
from automation.ports.errors import BbdcError
from automation.ports.safe import Safe


@dataclass(frozen=True, slots=True)
class Pruning:
    """What shall become of every set and of every orphan."""

    verdicts: tuple[Verdict, ...]
    orphans: tuple[Snapshot, ...]
    """Snapshots that would go: old enough, and of no set."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of them."""

    sets: tuple[str, ...]
    snapshots: tuple[str, ...]
    failures: tuple[str, ...]
    """What could not be removed, and why: the next pruning tries again."""


def plan(safe: Safe, policy: Retention) -> Pruning:
    """Say what would be kept and what removed; change nothing."""
    return _plan(shelf(safe), policy, safe.clock.now())


def _plan(there: Shelf, policy: Retention, now: float) -> Pruning:
    old = now - policy.invalid_days * 86_400.0
    under_way = {each.id for each in there.sets if each.state is SetState.PENDING}
    orphans = tuple(s for s in there.orphans if s.at is not None and s.at < old and s.tags.get(SET) not in under_way)
    return Pruning(judge(there.sets, policy, now=now), orphans)


def prune(safe: Safe, policy: Retention) -> Pruned:
    """Remove what the policy does not keep. What fails is told and left for the next time; the others go on."""
    there = shelf(safe)
    planned = _plan(there, policy, safe.clock.now())
    gone, failures = list[str](), list[str]()
    going = [there.find(verdict.set_id) for verdict in planned.verdicts if not verdict.keep]
    for each in going:
        try:
            remove(safe, each)
        except BbdcError as error:
            failures.append(f"{each.id}: {error}")
        else:
            gone.append(each.id)
    removed = _orphans(safe, [o for o in planned.orphans if o.tags.get(SET) not in gone], failures)
    return Pruned(tuple(gone), tuple(removed), tuple(failures))


def remove(safe: Safe, found: BackupSet) -> None:
    """Remove one set. The manifest says so before the first snapshot goes: a half set must never look complete."""
    marked = replace(found, state=SetState.INVALID, reason=PRUNED, detail="retention no longer keeps it")
    safe.manifests.write(marked)
    for vault in safe.vaults:
        for snapshot in vault.snapshots(found.id):
            vault.delete(snapshot)
    if not found.copies:  # a copy elsewhere is found through the manifest
        safe.manifests.remove(found.id)


def _orphans(safe: Safe, orphans: list[Snapshot], failures: list[str]) -> list[str]:
    vaults, removed = {vault.kind: vault for vault in safe.vaults}, []
    for snapshot in orphans:
        try:
            vaults[snapshot.kind].delete(snapshot)
        except BbdcError as error:
            failures.append(f"{snapshot.id}: {error}")
        else:
            removed.append(snapshot.id)
    return removed
