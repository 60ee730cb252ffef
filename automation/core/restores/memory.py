"""What a restore remembers from pass to pass, what a pass sees, and what it can decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from automation.core.capabilities import AWS, Capabilities
from automation.core.cluster import NodeGroup
from automation.core.restores.plan import RestorePlan
from automation.core.roll import Record


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """How patient a restore is; all times in seconds."""

    stop_timeout: float = 600.0
    """Longest wait until Bitbucket has stopped on every node."""
    boot_timeout: float = 2400.0
    """Longest time from a machine's launch to a node that serves."""
    start_timeout: float = 300.0
    """Called off: longest wait for a node that is started again, before the next one is started."""
    again: float = 60.0
    """When a machine that was told to go, and is still there, is told once more: the order may have failed."""
    trouble_timeout: float = 900.0
    """How long calls may fail in a row before the restore pauses."""
    poll: float = 5.0
    """Pause between two looks."""


class ActName(StrEnum):
    """Everything a restore ever does to the world; crash tests enumerate this."""

    DECLARE = "declare"
    """Make the data beside the old, through the estate's program."""
    SUSPEND_PROCESSES = "suspend_processes"
    """No machine comes or goes by itself: one made from the old model would run on the old data."""
    STOP_BITBUCKET = "stop_bitbucket"
    ACTIVATE = "activate"
    """Let the estate's program attach the data and point new nodes at it."""
    PREPARE_HOME = "prepare_home"
    """Remove stale Git locks, switch integrity checking on."""
    ALLOW_LAUNCH = "allow_launch"
    """From here on new machines are made from the new model."""
    REPLACE = "replace"
    """Replace one node by a machine that uses the new data."""
    RESIZE = "resize"
    """Want as many machines as there were, where deleting one has lowered the capacity."""
    REGISTER = "register"
    """Put a node that has joined into the balancer, where the cloud does not do that by itself."""
    END_CHECKING = "end_checking"
    """Switch integrity checking off again."""
    RESUME_PROCESSES = "resume_processes"
    START_BITBUCKET = "start_bitbucket"
    """Bring a node back that was stopped for a swap which is called off."""


class Ending(StrEnum):
    """How a restore can end."""

    RESTORED = "restored"
    PREPARED = "prepared"
    """The data is there beside the old, and nothing uses it yet."""
    CALLED_OFF = "called_off"
    """Nothing was swapped: the nodes that were stopped run again, on the data that they had."""
    PAUSED = "paused"
    """Stopped with a named reason; the same command goes on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run."""

    ending: Ending
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """How far a restore has come; everything else is read from the world."""

    plan: RestorePlan
    declared: bool = False
    suspended: bool = False
    stopped: tuple[str, ...] = ()
    """Machines on which Bitbucket was stopped: at the swap these are all there are, and all of them have to go."""
    stopping_since: float | None = None
    activated: float | None = None
    """When the program had moved the estate to the new data."""
    prepared: bool = False
    launching: bool = False
    """Machines are made again, from the new model."""
    replaced: tuple[str, ...] = ()
    """Machines that were told to go."""
    waiting_since: float | None = None
    """Since when a node is waited for."""
    checking_ended: bool = False
    resumed: bool = False
    calling_off: bool = False
    """The operator wants the old state back, and nothing was swapped yet."""
    started: tuple[str, ...] = ()
    """Machines on which Bitbucket was started again."""
    trouble_since: float | None = None
    trouble: str = ""
    outcome: Outcome | None = None

    @property
    def is_over(self) -> bool:
        """True when nobody needs to come back to this restore."""
        return self.outcome is not None and self.outcome.ending is not Ending.PAUSED


@dataclass(frozen=True, slots=True)
class Sight:
    """What one pass saw."""

    at: float
    group: NodeGroup
    statuses: Mapping[str, str | None] = field(default_factory=dict)
    """What each machine's /status says, by instance id; None when nothing answers."""
    serving: frozenset[str] = frozenset()
    """Instances that run, see the others and are healthy in the balancer."""
    joined: frozenset[str] = frozenset()
    """Instances that run and see all others that run, in the balancer or not."""
    registered: frozenset[str] = frozenset()
    """Instances that every target group knows, healthy or not."""
    capabilities: Capabilities = AWS
    """What the cloud does by itself."""


@dataclass(frozen=True, slots=True)
class Act:
    """Do one thing, to exactly the subject that was observed."""

    name: ActName
    subject: str = ""
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again later: ``gate`` is closed."""

    gate: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do, or nothing can be done without a person."""

    outcome: Outcome


Decision = Act | Wait | Finish


@dataclass(frozen=True, slots=True)
class Step:
    """What one pass leaves behind."""

    memory: Memory
    record: Record
    wait: float
