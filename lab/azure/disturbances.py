"""What goes wrong inside operations: a call is accepted, and minutes later it has failed; and what nobody documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lab.azure.errors import ArmError
from lab.azure.ports import Call


@dataclass(slots=True)
class Doom:
    """Operations that will fail.

    Attributes:
        service, action: as ``polling.call_of`` names calls; patterns.
        seconds: how long each goes on first.
        error: with which it ends.
        times: how many.
    """

    service: str
    action: str
    seconds: float
    error: ArmError
    times: int


@dataclass(slots=True)
class Disturbances:
    """Everything that is to go wrong; what the faults' port does not know."""

    dooms: list[Doom] = field(default_factory=list)
    retry_after: float = 1
    """What a throttled caller is told: seconds until he may come again."""
    keep_disks: bool = False
    """Whether the system's disk of an instance keeps name, id and time when it is reimaged: Azure's documents say that
    it is replaced, and not by what name."""

    def fail_operations(
        self,
        service: str,
        action: str,
        *,
        times: int = 1,
        seconds: float = 0.0,
        code: str = "InternalExecutionError",
        message: str = "An internal execution error occurred. Please retry later.",
    ) -> None:
        """Let the next operations of a service fail, such as ``compute`` and ``POST */reimage``."""
        self.dooms.append(Doom(service, action, seconds, ArmError(500, code, message), times))

    def doom(self, call: Call) -> Doom | None:
        """Return how the operation of this call is to fail; None when it is not. Each answer counts."""
        for one in self.dooms:
            if fnmatchcase(call.service, one.service) and fnmatchcase(call.action.lower(), one.action.lower()):
                one.times -= 1
                if one.times <= 0:
                    self.dooms.remove(one)
                return one
        return None
