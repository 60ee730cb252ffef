"""The nouns of a roll: its settings, plan, memory, messages, records and outcome.

Everything here is an immutable value that survives the process: a run can stop between any two passes and go on from
the world plus the last ``Memory``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Approval(StrEnum):
    """Who lets the roll pass its point of no return."""

    AUTOMATIC = "automatic"
    """Approve as soon as the proven gate is open."""
    MANUAL = "manual"
    """Wait at the open gate for ``bbdc approve``."""


@dataclass(frozen=True, slots=True)
class RollSettings:
    """How patient, careful and polite a roll is; all times in seconds."""

    approval: Approval = Approval.AUTOMATIC
    surge: bool = False
    """Add a machine for the time of the roll, so that as many nodes serve as before."""
    soak: float = 60.0
    """How long a new node must have been healthy before the next one is touched: caches fill, errors show."""
    healthy_readings: int = 2
    """Readings in a row in which a new node is ACTIVE, joined and healthy: one could be luck."""
    stable_readings: int = 3
    """Readings in a row of a complete, healthy cluster before approval: there is no way back after it."""
    failure_budget: int = 1
    """New nodes that may fail (ERROR, never joined, alone) and be replaced before the roll pauses."""
    drain_timeout: float = 3600.0
    """Longest wait for open requests and SSH sessions; the longest deregistration delay AWS allows."""
    stop_timeout: float = 300.0
    """Longest wait for a graceful stop; ten times Bitbucket's own grace period of 30 s."""
    boot_timeout: float = 2400.0
    """Longest time from a machine's launch to a joined node; a new node 'usually takes more than 20 minutes'."""
    task_timeout: float = 3600.0
    """Longest wait for the upgrade tasks that approval starts."""
    gate_timeout: float = 5400.0
    """Longest wait for any other gate: past it the roll pauses under that gate's name."""
    trouble_timeout: float = 900.0
    """How long observing or acting may fail in a row before the roll pauses."""
    poll: float = 5.0
    """Pause between two passes that found nothing to do."""
    backup_age: float | None = None
    """Oldest complete backup set that preflight accepts; None asks for no backup."""
    minimum_serving: int | None = None
    """Nodes that must keep serving; None means all but one, or all with ``surge``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one roll set out to do; written before the first act and never changed."""

    cluster: str
    original: str
    """Version that the cluster ran when the roll began."""
    target: str
    """Version that every node shall run; equal to ``original`` for a rollback."""
    planned: int
    """Nodes of the whole cluster, before and after."""
    minimum: int
    maximum: int
    suspend: frozenset[str] = frozenset()
    """Scaling processes that this roll switches off and on again; those already off stay off."""
    owns_model: bool = False
    """True when the engine writes the version into the group's model; False when a Pulumi program does."""
    known_addresses: frozenset[str] = frozenset()
    """Addresses that Bitbucket listed or the group held when the roll began: they explain later ghosts."""
    started: float = 0.0
    by: str = ""
    surge: bool = False
    """Whether this roll adds a machine for its time."""

    @property
    def floor(self) -> int:
        """Nodes that must be serving at any time, unless the settings ask for another number."""
        return self.planned if self.surge else self.planned - 1


@dataclass(frozen=True, slots=True)
class Failure:
    """A new node that did not make it."""

    instance: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """The gate that the last pass waited for, and since when."""

    gate: str
    subject: str
    since: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What a roll must remember from pass to pass; everything else is read from the world."""

    plan: Plan
    opened: bool = False
    """Upgrade mode was seen on (or was not needed): the model may change now."""
    acted: Mapping[str, float] = field(default_factory=dict)
    """When an act on a subject was carried out, by ``act:subject``."""
    first_seen: Mapping[str, float] = field(default_factory=dict)
    """When an instance was first observed."""
    healthy: Mapping[str, int] = field(default_factory=dict)
    """Readings in a row in which an instance was joined and healthy."""
    healthy_since: Mapping[str, float] = field(default_factory=dict)
    """Since when, for those with at least one reading in the current row."""
    last_healthy: Mapping[str, float] = field(default_factory=dict)
    """When an instance was last seen joined and healthy."""
    proven: frozenset[str] = frozenset()
    """New instances that passed health and soak."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Address of every instance ever observed in the group: explains ghosts."""
    failures: tuple[Failure, ...] = ()
    stable: int = 0
    """Readings in a row of a complete, healthy cluster."""
    waiting: Waiting | None = None
    trouble_since: float | None = None
    """Since when every pass has met trouble; None after a pass that met none."""
    trouble: str = ""
    """The last trouble, in words."""
    paused: bool = False
    aborted: bool = False
    approved_by: str | None = None


class MessageKind(StrEnum):
    """What an operator can tell a running roll."""

    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Message:
    """A word from an operator."""

    kind: MessageKind
    by: str


class Phase(StrEnum):
    """Where a node stands in the roll, as board and report draw it."""

    IN_SERVICE = "in service"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"
    BOOTING = "booting"
    JOINING = "joining"
    LEAVING = "leaving"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class NodeLine:
    """One node as a record shows it."""

    instance: str
    address: str | None
    version: str | None
    phase: Phase
    state: str | None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a run's story: what a pass found and did."""

    at: float
    kind: str
    """``act``, ``wait``, ``message``, ``trouble``, ``pause`` or ``finish``."""
    name: str
    """Name of the act, gate, message or reason: the same in code, log, board, report and docs."""
    subject: str = ""
    """Instance id, process names or operator that it is about."""
    detail: str = ""
    state: str = ""
    """Bitbucket's cluster state at that time."""
    nodes: tuple[NodeLine, ...] = ()

    def says_the_same_as(self, other: Record | None) -> bool:
        """Tell whether nothing but the time differs: such a record need not be shown again."""
        return other is not None and (self.kind, self.name, self.subject, self.state, self.nodes) == (
            other.kind,
            other.name,
            other.subject,
            other.state,
            other.nodes,
        )


class Ending(StrEnum):
    """How a roll can end."""

    UPGRADED = "upgraded"
    ROLLED_BACK = "rolled back"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run."""

    ending: Ending
    reason: str = ""
    """Named reason of a pause."""
    detail: str = ""
    """One sentence: what holds the roll up and what to do now."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass leaves behind."""

    memory: Memory
    record: Record
    wait: float
    """Seconds until the next pass is worth while; an operator's message may end the wait early."""
    outcome: Outcome | None = None
