"""What taking a set remembers from pass to pass, what a pass sees, and what it can decide.

The memory holds the lock's tokens: it goes to the journal, which is encrypted, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from automation.core.backups.sets import BackupSet, Mode, SetState, Snapshot, Source
from automation.core.roll import Record


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """How long a backup may take and how it is made; all times in seconds."""

    lock_budget: float = 300.0
    """Longest time for which users may be locked out, draining included; past it the backup is given up and Bitbucket
    unlocked. Draining waits for running pushes and clones, which take minutes where repositories are large."""
    lock_poll: float = 0.35
    """Pause between two looks while users are locked out: fewer than three calls a second."""
    poll: float = 5.0
    """Pause between two looks while nobody is locked out."""
    complete_timeout: float = 6 * 3600.0
    """Longest wait until the cloud has completed all members: a first snapshot of a large disk takes hours."""
    trouble_timeout: float = 900.0
    """How long calls may fail in a row, outside the lock, before the run ends with that trouble's name."""
    unlock_patience: float = 900.0
    """How long an unlock is tried again before the run ends and says that Bitbucket is still locked."""
    skew_limit: float = 5.0
    """Seconds that the members of a zero-downtime set may lie apart; beyond, the set is invalid."""


class ActName(StrEnum):
    """Everything a backup ever does to the world; crash tests enumerate this."""

    WRITE_MANIFEST = "write_manifest"
    LOCK = "lock"
    START_TASK = "start_task"
    BEGIN_MEMBERS = "begin_members"
    FINISH_TASK = "finish_task"
    CANCEL_TASK = "cancel_task"
    FIND_TOKEN = "find_token"  # noqa: S105 -- the name of an act
    UNLOCK = "unlock"
    LOOK_AGAIN = "look_again"
    """Read the cluster's nodes and count its repositories once more; changes the memory only."""
    LABEL = "label"


class Ending(StrEnum):
    """How a backup can end."""

    COMPLETE = "complete"
    INVALID = "invalid"
    """Nobody is locked out, and the set must never be restored."""
    PENDING = "pending"
    """Nobody is locked out and every member is begun; the next run, or ``recover``, completes the set."""
    LOCKED = "locked"
    """Users are still locked out, and this run could not change that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run."""

    ending: Ending
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """How far a set has come."""

    backup: BackupSet
    sources: tuple[Source, ...] = ()
    """What the set must hold, as resolved before the lock."""
    nodes: frozenset[str] = frozenset()
    """Ids of the cluster's nodes before the lock."""
    written: SetState | None = None
    """State with which the manifest was last written."""
    doing: str = ""
    """The act that was about to be carried out when this was stored: after a crash it may have happened."""
    asked: float | None = None
    """When the lock was asked for first."""
    unlock_token: str = field(default="", repr=False)
    cancel_token: str = field(default="", repr=False)
    drained: float | None = None
    begun: bool = False
    """Every source has a member."""
    fixed: bool = False
    """Every member's instant is known, and Bitbucket was seen drained, under our lock, after the last of them."""
    finished: bool = False
    """100 % was sent, or tried often enough: it is the unlock that counts."""
    finish_tries: int = 0
    cancelled: bool = False
    unlock_tries: int = 0
    free: bool = False
    """Nobody is locked out by us: never locked, unlocked, or the lock is gone."""
    looked: bool = False
    percents: Mapping[str, int] = field(default_factory=dict)
    """How far the cloud was with each snapshot at the last look, by snapshot id; for the eye, nothing decides by it."""
    labelled: SetState | None = None
    stopping: str = ""
    """Named reason why the set is given up; empty while all is well."""
    why: str = ""
    """The same in a sentence."""
    adopted: bool = False
    """The process that began this set died; another one finishes or undoes it."""
    leave: bool = False
    """The operator wants to go; what is begun and unlocked may stay pending."""
    trouble_since: float | None = None
    trouble: str = ""
    outcome: Outcome | None = None

    @property
    def needs_lock(self) -> bool:
        """True for a set that is taken under the lock."""
        return self.backup.mode is Mode.LOCKED

    @property
    def is_over(self) -> bool:
        """True when nobody needs to come back to this set: users are in, and the manifest says what it is worth."""
        if self.outcome is None or self.outcome.ending in {Ending.PENDING, Ending.LOCKED}:
            return False
        return self.outcome.ending is Ending.COMPLETE or self.written is SetState.INVALID

    @property
    def waits_for_cloud(self) -> bool:
        """True once every member is begun and nobody is locked out: from here on nothing needs this process."""
        return self.begun and (self.free or not self.needs_lock)

    @property
    def locked_out(self) -> bool:
        """True while users are locked out by this run, or may be."""
        return self.asked is not None and not self.free


class Lock(StrEnum):
    """What a look at the lock showed."""

    UNSEEN = "unseen"
    OURS = "ours"
    FREE = "free"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Sight:
    """What one pass saw."""

    at: float
    lock: Lock = Lock.UNSEEN
    task_running: bool = False
    drained: bool = False
    snapshots: tuple[Snapshot, ...] | None = None
    """The set's snapshots; None when this pass did not look."""
    recoverable_until: float | None = None
    """Last second to which the database can be restored; None when this pass did not look, or it cannot."""


@dataclass(frozen=True, slots=True)
class Act:
    """Do one thing."""

    name: ActName
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again later: ``gate`` is closed."""

    gate: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do."""

    outcome: Outcome


Decision = Act | Wait | Finish


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass leaves behind."""

    memory: Memory
    record: Record
    wait: float
