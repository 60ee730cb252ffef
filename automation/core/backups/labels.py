"""The words that every member of a set carries as tags, so that a set can be found from the account alone.

The names here are without the product's prefix; each cloud's adapter spells them as that cloud allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from automation.core.backups.sets import BackupSet, Member, MemberKind, Mode, SetState, Snapshot, SnapshotState

CLUSTER = "cluster"
SET = "backup-set"
STATE = "backup-state"
MODE = "backup-mode"
CREATED = "backup-created"
VERSION = "backup-version"
MEMBERS = "backup-members"
"""How many members the set must have."""
SOURCE = "backup-source"
ROLE = "backup-role"
NAME = "backup-name"
RECOVER_TO = "backup-recover-to"
"""The moment, on a member that is one: of a database which is restored by time only."""
LOST = "manifest-lost"
"""Name of what is wrong with a set that only its members' tags tell of."""


def of_set(found: BackupSet) -> dict[str, str]:
    """Return the words that all members of a set carry."""
    words = {
        CLUSTER: found.cluster,
        SET: found.id,
        STATE: found.state.value,
        MODE: found.mode.value,
        CREATED: _written(found.created),
        VERSION: found.version,
        MEMBERS: str(len(found.expected)),
        NAME: found.name,
    }
    return {key: value for key, value in words.items() if value}


def rebuild(snapshots: Iterable[Snapshot]) -> tuple[BackupSet, ...]:
    """Return the sets that snapshots tell of by their tags alone, oldest first: for an account without manifests.

    A set is complete only when a snapshot of each of its sources says so; one more that says otherwise was begun twice.
    """
    by_set: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        if SET in snapshot.tags:
            by_set.setdefault(snapshot.tags[SET], []).append(snapshot)
    return tuple(sorted((_rebuilt(name, found) for name, found in by_set.items()), key=lambda each: each.created))


def _rebuilt(identity: str, found: list[Snapshot]) -> BackupSet:
    first = found[0].tags
    good = [s for s in found if s.tags.get(STATE) == SetState.COMPLETE and s.state is SnapshotState.COMPLETED]
    whole = str(len({s.source for s in good})) == first.get(MEMBERS)
    found = good if whole else found
    return BackupSet(
        id=identity,
        cluster=first.get(CLUSTER, ""),
        mode=_mode(first),
        state=SetState.COMPLETE if whole else SetState.INVALID,
        created=_read(first) or min((s.at for s in found if s.at is not None), default=0.0),
        version=first.get(VERSION, ""),
        name=first.get(NAME, ""),
        members=tuple(_member(s) for s in sorted(found, key=lambda s: (s.kind, s.source, s.id))),
        expected=tuple(sorted({s.source for s in found})),
        recover_to=_recover_to(found, _mode(first)),
        reason="" if whole else LOST,
        detail="" if whole else "it has no manifest, and its members' tags do not call it complete",
    )


def _recover_to(found: list[Snapshot], mode: Mode) -> float | None:
    """Return to which moment the database is restored: its own in the lock, else the disks'."""
    if not any(RECOVER_TO in snapshot.tags for snapshot in found):
        return None
    kind = MemberKind.DATABASE if mode is Mode.LOCKED else MemberKind.DISK
    return max((s.at for s in found if s.kind is kind and s.at is not None), default=None)


def _member(snapshot: Snapshot) -> Member:
    return Member(
        kind=snapshot.kind,
        source=snapshot.source,
        snapshot=snapshot.id,
        role=snapshot.tags.get(ROLE, ""),
        at=snapshot.at,
        size=snapshot.size,
        encryption_key=snapshot.encryption_key,
    )


def _mode(tags: Mapping[str, str]) -> Mode:
    return Mode.LOCKED if tags.get(MODE) == Mode.LOCKED else Mode.ZERO_DOWNTIME


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(tags: Mapping[str, str]) -> float | None:
    try:
        return datetime.strptime(tags[CREATED], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except (KeyError, ValueError):  # somebody else's tag, or none: the snapshots' own times stand in
        return None
