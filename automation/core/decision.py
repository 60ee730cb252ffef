"""What a pass can decide: one act, one named wait, one named pause, or the end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from automation.core.roll import Ending


class ActName(StrEnum):
    """Everything a roll ever does to the world; crash tests enumerate this."""

    SUSPEND_PROCESSES = "suspend_processes"
    START_UPGRADE = "start_upgrade"
    SET_MODEL = "set_model"
    RESIZE = "resize"
    DEREGISTER = "deregister"
    REGISTER = "register"
    """Put a joined node into the balancer, where the cloud does not do that by itself."""
    STOP_BITBUCKET = "stop_bitbucket"
    REPLACE = "replace"
    RETIRE = "retire"
    CONDEMN = "condemn"
    """Count a new node as failed; changes the memory only."""
    APPROVE = "approve"
    CANCEL = "cancel"
    RESTORE_LIMITS = "restore_limits"
    RESUME_PROCESSES = "resume_processes"


@dataclass(frozen=True, slots=True)
class Act:
    """Do one thing, to exactly the subject that was observed."""

    name: ActName
    subject: str = ""
    """Instance id; empty for acts on the whole cluster or group."""
    version: str | None = None
    """Version that the subject was observed with: part of its identity."""
    processes: frozenset[str] = frozenset()
    number: int = 0
    """Capacity wanted (resize)."""
    detail: str = ""

    @property
    def key(self) -> str:
        """The key under which the memory keeps when this act was carried out."""
        return f"{self.name}:{self.subject}" if self.subject else str(self.name)


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again later: ``gate`` is closed."""

    gate: str
    subject: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop with a named reason; a person, or the next run, goes on from here."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Everything that was planned is true."""

    ending: Ending


Decision = Act | Wait | Pause | Finish
