"""What the Azure world needs from the rest of the lab, beside the ports that it shares with the AWS world."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lab.aws.ports import (
    Call,
    Clock,
    Faults,
    Machines,
    MachineSpec,
    ManualClock,
    NoFaults,
    NoStorage,
    Reply,
    Storage,
)

__all__ = [
    "Call",
    "Clock",
    "Faults",
    "MachineSpec",
    "Machines",
    "ManualClock",
    "NoFaults",
    "NoStorage",
    "Reply",
    "Storage",
    "SystemClock",
    "Timings",
]


class SystemClock:
    """The computer's clock."""

    def now(self) -> float:
        """Return the time."""
        return time.time()


@dataclass(frozen=True, slots=True)
class Timings:
    """How long things take, in seconds; the real cloud's are minutes."""

    retry_after: float = 1
    """How soon clients of an operation are told to ask again.

    The SDKs read Retry-After as a whole number, and take 0 for their own 30 seconds: whole seconds go into that
    header, a fraction into x-ms-retry-after-ms instead.
    """
    instance: float = 0.5
    """Least time until a new or reimaged instance runs (its machine's own time comes on top)."""
    power: float = 0.3
    """Least time of a start, stop, restart or deletion of a machine."""
    model: float = 0.2
    """To apply the scale set's model to an instance, and to change the set's own description."""
    attach: float = 0.0
    """To attach or detach a disk."""
    disk: float = 0.0
    """To make or delete a disk."""
    snapshot: float = 0.2
    """Until a snapshot stands, after the moment that it shows."""
    copying: float = 1.0
    """For completionPercent to go from 0 to 100, where a snapshot is copied (CopyStart)."""
    restore_point: float = 0.5
    """Until a restore point stands."""
    gateway: float = 1.0
    """For an application gateway to take an update over."""
    gateway_health: float = 0.1
    """To collect a gateway's backend health."""
    network: float = 0.0
    """For every other change in the network."""
    database: float = 0.0
    """Until a database server is Ready, new or restored; also for starting and stopping."""
    backup: float = 0.0
    """Until an on-demand backup of a database server stands."""
    earliest_restore: float = 0.0
    """From the creation of a server until it can be restored to a moment."""
