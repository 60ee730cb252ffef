"""Look at a set as it lies in the cloud now: are its members there, completed, and marked as the manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from automation.core.backups.labels import SET, STATE
from automation.core.backups.memory import BackupSettings
from automation.core.backups.sets import BackupSet, Examination, Finding, SetState, Snapshot, SnapshotState
from automation.core.backups.validity import judge
from automation.engine.backups.shelf import shelf
from automation.ports.safe import Safe


def verify(safe: Safe, settings: BackupSettings, set_id: str, *, by: str = "") -> BackupSet:
    """Examine a set and write the result into its manifest.

    Raises:
        NotFound: there is no such set.
        BbdcError: the cloud could not be asked.
    """
    found = shelf(safe).find(set_id)
    began = safe.clock.now()
    snapshots = {s.id: s for vault in safe.vaults for s in vault.snapshots(found.id)}
    findings = (
        Finding("complete", found.state is SetState.COMPLETE, f"the manifest calls it {found.state}"),
        *judge(found, skew_limit=settings.skew_limit),
        *_members(found, snapshots),
    )
    passed = all(finding.passed for finding in findings)
    result = Examination(safe.clock.now(), passed, findings, safe.clock.now() - began, by)
    verified = replace(found, verified=result)
    safe.manifests.write(verified)
    return verified


def _members(found: BackupSet, snapshots: dict[str, Snapshot]) -> Iterator[Finding]:
    for member in found.members:
        snapshot = snapshots.get(member.snapshot)
        if snapshot is None:
            yield Finding("member_there", passed=False, detail=f"{member.snapshot} of {member.source} is gone")
            continue
        whole = snapshot.state is SnapshotState.COMPLETED
        yield Finding("member_there", whole, f"{snapshot.id}: {snapshot.problem or snapshot.state}")
        marked = (snapshot.tags.get(SET), snapshot.tags.get(STATE)) == (found.id, found.state)
        yield Finding("member_marked", marked, f"{snapshot.id} says {snapshot.tags.get(STATE) or 'nothing'}")
        same = snapshot.encryption_key == member.encryption_key
        yield Finding("member_encrypted", same, f"{snapshot.id}: {snapshot.encryption_key or 'not encrypted'}")
