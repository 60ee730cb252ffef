"""Copy a complete set to another region or account, with the target's own key, and write it into the manifest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, Copy, MemberKind, SetState, Snapshot, SnapshotState
from automation.engine.backups.shelf import shelf
from automation.ports.errors import Refused, Unavailable
from automation.ports.safe import Safe
from automation.ports.vaults import Destination


def copy(safe: Safe, set_id: str, to: Destination, *, account: str, poll: float, timeout: float) -> BackupSet:
    """Begin what is not copied yet, wait until all of it is completed, and return the set with its copy.

    Args:
        safe: the estate.
        set_id: id or name of a complete set.
        to: the target.
        account: the target's account, for the manifest.
        poll: seconds between two looks.
        timeout: seconds after which waiting ends.

    Raises:
        Refused: the set is not complete, or a member's copy failed; the manifest says which.
        Unavailable: not all was completed in time; the same call goes on later.
    """
    found = shelf(safe).find(set_id)
    if found.state is not SetState.COMPLETE:
        raise Refused("set_incomplete", f"set {found.id} is {found.state}: only complete sets are copied")
    _begin(safe, found, to)
    there = _wait(safe, found, to, poll=poll, timeout=timeout)
    return _written(safe, found, to, account, there)


def _begin(safe: Safe, found: BackupSet, to: Destination) -> None:
    words = labels.of_set(found)
    vaults = {vault.kind: vault for vault in safe.vaults}
    begun = {
        s.source for vault in safe.vaults for s in vault.copied(found.id, to) if s.state is not SnapshotState.FAILED
    }
    originals = {s.id: s for vault in safe.vaults for s in vault.snapshots(found.id)}
    missing = [member for member in found.members if member.snapshot not in begun]
    if gone := [member.snapshot for member in missing if member.snapshot not in originals]:
        raise Refused("member_gone", f"set {found.id} cannot be copied: {', '.join(gone)} is no longer there")
    # The database first: a cloud that cannot copy it must say so before hours of copying disks are begun.
    for member in sorted(missing, key=lambda each: each.kind is not MemberKind.DATABASE):
        vaults[member.kind].copy(originals[member.snapshot], to, words)


def _wait(safe: Safe, found: BackupSet, to: Destination, *, poll: float, timeout: float) -> dict[str, Snapshot]:
    deadline = safe.clock.now() + timeout
    while True:
        there = _newest(s for vault in safe.vaults for s in vault.copied(found.id, to))
        if all(m.snapshot in there and there[m.snapshot].state is not SnapshotState.PENDING for m in found.members):
            return there
        if safe.clock.now() >= deadline:
            raise Unavailable(f"the copies of set {found.id} in {to.region} are not completed yet", hint="run it again")
        safe.clock.sleep(poll)


def _newest(copies: Iterable[Snapshot]) -> dict[str, Snapshot]:
    """Return the copies by their originals; one that failed earlier gives way to the one begun anew."""
    ranked = sorted(copies, key=lambda each: each.state is not SnapshotState.FAILED)
    return {each.source: each for each in ranked}


def _written(safe: Safe, found: BackupSet, to: Destination, account: str, there: dict[str, Snapshot]) -> BackupSet:
    broken = [f"{s.id}: {s.problem or 'failed'}" for s in there.values() if s.state is SnapshotState.FAILED]
    made = Copy(
        region=to.region,
        account=account,
        encryption_key=to.encryption_key,
        state=SetState.INVALID if broken else SetState.COMPLETE,
        members={source: snapshot.id for source, snapshot in sorted(there.items())},
        at=safe.clock.now(),
        problem="; ".join(broken),
    )
    found = safe.manifests.read(found.id)  # copying takes hours: meanwhile the set may have been verified or drilled
    others = tuple(c for c in found.copies if (c.region, c.account) != (made.region, made.account))
    copied = replace(found, copies=(*others, made))
    safe.manifests.write(copied)
    if broken:
        raise Refused("copy_failed", f"copying set {found.id} to {to.region} failed: {made.problem}")
    return copied
