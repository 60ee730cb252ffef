"""The nouns of a backup: sources, snapshots, members, and the set that one manifest describes.

A *set* is everything that must be restored together: every disk of the shared home and of each Mesh node, the database,
and the search index where it is kept. One member that is missing, or was begun outside the lock, spoils all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Mode(StrEnum):
    """How a set was made consistent."""

    LOCKED = "locked"
    """Bitbucket was locked and drained while the members were begun: they fit together exactly."""
    ZERO_DOWNTIME = "zero-downtime"
    """Nobody was locked out: members lie ``skew`` seconds apart, and integrity checking follows a restore."""


class SetState(StrEnum):
    """What a set is worth."""

    PENDING = "pending"
    """Under way, or left by a process that died: nothing may rely on it."""
    COMPLETE = "complete"
    INVALID = "invalid"
    """Never to be restored; its snapshots are only worth deleting."""


class MemberKind(StrEnum):
    """What a member holds."""

    DISK = "disk"
    DATABASE = "database"
    SEARCH = "search"


class SnapshotState(StrEnum):
    """How far the cloud has come with a snapshot."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Source:
    """Something that every set must hold."""

    kind: MemberKind
    id: str
    """The cloud's id: volume, database instance or cluster, search domain."""
    role: str = ""
    """``shared-home``, ``mesh``, ``database`` or ``search``."""
    group: str = ""
    """Sources of one group are begun by one call, at one instant: a disk's group is its machine. Empty: on its own."""
    state: str = ""
    """The cloud's own word."""
    problem: str = ""
    """Why no snapshot of it can be begun now; empty when one can."""
    size: int = 0
    """Bytes."""
    zone: str = ""
    encryption_key: str = ""
    """Key it is encrypted with; empty when it is not encrypted."""
    recoverable_until: float | None = None
    """Databases that can be restored to any second: the last one, since the epoch; None where that is off."""
    by_time: bool = False
    """It is restored to a moment only, never from a snapshot: its member is a moment, and the set says which."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What a restore wants to know and the cloud does not keep with a snapshot, such as the device name."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as the cloud shows it."""

    kind: MemberKind
    id: str
    source: str
    """Id of the source it was taken of."""
    state: SnapshotState
    at: float | None = None
    """Instant that it holds, by the cloud's clock in seconds since the epoch; None while that is not fixed."""
    percent: int = 0
    size: int = 0
    """Bytes of the source."""
    encryption_key: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The tags of ours that it carries, by the names in ``labels``."""
    problem: str = ""
    """The cloud's own words when it failed."""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One part of a set."""

    kind: MemberKind
    source: str
    snapshot: str
    role: str = ""
    at: float | None = None
    """Instant that it holds, by the cloud's clock."""
    begun: float | None = None
    """When the call that began it was sent, by our own clock."""
    answered: float | None = None
    """When that call, or the look that found the snapshot, was answered, by our own clock."""
    size: int = 0
    zone: str = ""
    encryption_key: str = ""
    completed: float | None = None
    """When it was seen completed, by our own clock."""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counts:
    """What Bitbucket told of itself before and after the members were begun: a drill compares."""

    repositories_before: int | None = None
    repositories_after: int | None = None

    def allows(self, found: int) -> bool:
        """Tell whether a restored database may hold ``found`` repositories."""
        known = [n for n in (self.repositories_before, self.repositories_after) if n is not None]
        return not known or min(known) <= found <= max(known)


@dataclass(frozen=True, slots=True)
class LockTimes:
    """When the lock was asked for, held, drained and given back; by our own clock."""

    asked: float
    held: float
    drained: float | None = None
    released: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long users were locked out; None while they still may be."""
        return None if self.released is None else self.released - self.asked

    @property
    def beyond_drain(self) -> float | None:
        """The part of it that was not Bitbucket's own draining."""
        if self.released is None or self.drained is None:
            return None
        return self.released - self.drained


@dataclass(frozen=True, slots=True)
class Copy:
    """The set once more, in another region or account."""

    region: str
    account: str
    encryption_key: str
    state: SetState
    members: Mapping[str, str]
    """Snapshot's id there by the original's."""
    at: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a verification or a drill looked at."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """The result of a verification or of a drill."""

    at: float
    passed: bool
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    """How long a drill took until everything could be used: the recovery time to expect."""
    by: str = ""


@dataclass(frozen=True, slots=True)
class BackupSet:
    """One backup set: what its manifest says."""

    id: str
    cluster: str
    mode: Mode
    state: SetState
    created: float
    """When it was begun, seconds since the epoch."""
    version: str = ""
    """Bitbucket version that ran."""
    name: str = ""
    """What the operator calls it."""
    by: str = ""
    region: str = ""
    account: str = ""
    members: tuple[Member, ...] = ()
    expected: tuple[str, ...] = ()
    """Ids of all sources that it must hold."""
    lock: LockTimes | None = None
    """None for a set taken without the lock."""
    counts: Counts = Counts()
    ended: float | None = None
    reason: str = ""
    """Why it is invalid: a named reason."""
    detail: str = ""
    recover_to: float | None = None
    """Instant to restore the database to, where it can be restored to any instant; None restores its snapshot."""
    copies: tuple[Copy, ...] = ()
    verified: Examination | None = None
    drilled: Examination | None = None
    kept: bool = False
    """Retention never removes it."""

    @property
    def skew(self) -> float | None:
        """Seconds between the earliest and the latest instant of its members; None while one is unknown."""
        instants = [member.at for member in self.members]
        known = [at for at in instants if at is not None]
        return max(known) - min(known) if known and len(known) == len(instants) else None

    @property
    def restored_skew(self) -> float | None:
        """The same after a restore: a database that is restored to the disks' instant lies on it."""
        if self.recover_to is None:
            return self.skew
        others = tuple(member for member in self.members if member.kind is not MemberKind.DATABASE)
        return replace(self, members=others, recover_to=None).skew

    @property
    def size(self) -> int:
        """Bytes of everything that it holds."""
        return sum(member.size for member in self.members)

    @property
    def was_drilled(self) -> bool:
        """True when it was restored once and everything was right."""
        return self.drilled is not None and self.drilled.passed

    def of(self, kind: MemberKind) -> tuple[Member, ...]:
        """Return its members of one kind."""
        return tuple(member for member in self.members if member.kind is kind)
