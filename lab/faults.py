"""Named faults of a lab: the book of those switched on (lab.fault_kinds says what each does).

A fault with ``times`` is used up after so many uses; one without stays until it is cleared. ``instance`` names a
machine; ``any`` (the default) lets the seed choose among those that run, or means every machine where the fault waits
for something to happen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from lab.aws.ports import Call, Reply
from lab.fault_kinds import ANY, CATALOGUE, NoSuchFault, check, on_cluster

CAPACITY = (
    "We currently do not have sufficient capacity in the Availability Zone you requested ({zone}). "
    "Our system will be working on provisioning additional capacity."
)
THROTTLES = {
    "ec2": Reply(503, "RequestLimitExceeded", "Request limit exceeded."),
    "ssm": Reply(400, "ThrottlingException", "Rate exceeded"),
}
AT_ONCE = frozenset({"crash", "database-busy", "operation-fails"})
"""Faults that are over as soon as they have struck: there is nothing to clear."""
SNAPSHOTS = frozenset({"CreateSnapshot", "CreateSnapshots", "CopySnapshot", "CreateDBSnapshot", "CopyDBSnapshot"})
QUOTAS = {
    "total": Reply(400, "SnapshotLimitExceeded", "The maximum number of snapshots has been reached."),
    "concurrent": Reply(
        400,
        "ConcurrentSnapshotLimitExceeded",
        "Maximum allowed in-progress snapshots for a single volume exceeded.",
    ),
    "rds": Reply(
        400,
        "SnapshotQuotaExceeded",
        "The request cannot be processed because it would exceed the maximum number of snapshots.",
    ),
}
"""What is answered, by the limit that is reached; RDS has one of its own."""
AZURE_SNAPSHOTS = frozenset(
    {"PUT snapshots", "PUT restorePointCollections/restorePoints", "PUT flexibleServers/backups"}
)
AZURE_QUOTA = Reply(
    409, "OperationNotAllowed", "Operation could not be completed as it results in exceeding approved snapshot quota."
)


@dataclass(slots=True)
class Fault:
    """A fault that is switched on."""

    name: str
    params: dict[str, Any]
    left: int | None
    uses: int = 0
    number: int | None = None
    """Its number on the cluster, when the cluster acts it out."""

    def wire(self) -> dict[str, Any]:
        """Return it as ``bbdc lab fault list --json`` shows it."""
        return {"name": self.name, "params": self.params, "left": self.left, "uses": self.uses}


class Hands(Protocol):
    """What a fault is done with: the daemon's machines and cluster."""

    def running(self) -> list[str]:
        """Return the machines whose Bitbucket runs."""
        ...

    def crash(self, instance: str) -> None:
        """Kill the node's process."""
        ...

    def hold_stop(self, instance: str, *, hold: bool) -> None:
        """Let the unit's stop hang, or no longer."""
        ...

    def lose_zone(self, zone: str) -> None:
        """Cut the power of a whole zone."""
        ...

    def cluster_fault(self, name: str, instance: str, times: int | None, **params: Any) -> int:
        """Switch a fault of the cluster on; return its number there."""
        ...

    def clear_cluster_fault(self, number: int) -> None:
        """Switch it off."""
        ...

    def cluster_faults(self) -> Mapping[int, int | None]:
        """Return what the cluster still acts out: number -> uses left, None for until cleared."""
        ...

    def lock(self, *, locked: bool) -> None:
        """Lock Bitbucket for maintenance, or unlock it."""
        ...

    def keep_databases_busy(self, state: str, seconds: float) -> None:
        """Let every available database be in another state for a while."""
        ...

    def fail_operations(self, service: str, action: str, times: int, seconds: float) -> None:
        """Let the next long-running operations fail after so many seconds."""
        ...

    def keep_disks(self, *, keep: bool) -> None:
        """Let machines that are reimaged show the same disk as before, or another one."""
        ...


class FaultBook:
    """The faults that are switched on, and what the cloud's world asks of them (lab.aws.ports.Faults).

    Args:
        seed: of every choice left to chance.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)  # noqa: S311 - chance that can be repeated is the point
        self._guard = threading.RLock()
        self._on: list[Fault] = []
        self.hands: Hands | None = None

    # --- for people ----------------------------------------------------------------------------------------------

    def set(self, name: str, times: int | None = None, **given: Any) -> Fault:
        """Switch a fault on.

        Raises:
            NoSuchFault: the name or a parameter is unknown, or there is no machine to apply it to.
        """
        params = check(name, given)
        if params.get("instance") == ANY and self.hands is not None:
            params["instance"] = self._choose(name)
        fault = Fault(name, params, times if times is not None else CATALOGUE[name].times)
        self._begin(fault)  # without the guard: machines ask this book while they hold theirs
        if name not in AT_ONCE:
            with self._guard:
                self._on.append(fault)
        return fault

    def clear(self, name: str | None = None) -> int:
        """Switch the faults of one name off, or all; return how many there were."""
        with self._guard:
            gone = [fault for fault in self._on if name in {None, fault.name}]
            self._on = [fault for fault in self._on if fault not in gone]
        for fault in gone:
            self._end(fault)
        return len(gone)

    def list(self) -> list[dict[str, Any]]:
        """Return the faults that are switched on."""
        self._follow_cluster()
        with self._guard:
            return [fault.wire() for fault in self._on]

    # --- for the world -------------------------------------------------------------------------------------------

    def refuse(self, call: Call) -> Reply | None:
        """Throttle or fail this call."""
        if self._take("throttled", lambda fault: self._meant(fault, call)):
            return THROTTLES.get(call.service, Reply(400, "Throttling", "Rate exceeded"))
        if self._take("error", lambda fault: self._meant(fault, call)):
            return Reply(500, "InternalFailure", "An internal error has occurred.")
        if call.action in SNAPSHOTS and (full := self._find("snapshot-quota", lambda _fault: True)):
            self._take("snapshot-quota", lambda fault: fault is full)
            return QUOTAS["rds" if call.service == "rds" else str(full.params["limit"])]
        if call.action in AZURE_SNAPSHOTS and self._take("snapshot-quota", lambda _fault: True):
            return AZURE_QUOTA
        return None

    def lose_reply(self, call: Call) -> bool:
        """Carry this call out and lose its answer."""
        return self._take("lost-reply", lambda fault: self._meant(fault, call))

    def launch_error(self, zone: str) -> str | None:
        """Say why nothing can be launched in a zone; asking again for the same launch counts once."""
        lost = self._find("az-loss", lambda fault: fault.params["zone"] == zone)
        failing = self._find("launch-fails", lambda fault: fault.params["zone"] in {"*", zone})
        return CAPACITY.format(zone=zone) if lost or failing else None

    def launch_failed(self, zone: str) -> None:
        """Count one launch that failed."""
        self._take("launch-fails", lambda fault: fault.params["zone"] in {"*", zone})

    def agent_lost(self, instance: str) -> bool:
        """Say whether the machine's SSM agent is lost."""
        return self._find("agent-lost", lambda fault: fault.params["instance"] in {"*", ANY, instance}) is not None

    def snapshot_fails(self, kind: str) -> bool:
        """Say whether this snapshot ends in an error."""
        name = "snapshot-fails" if kind == "volume" else "database-snapshot-fails"
        return self._take(name, lambda _fault: True)

    def snapshot_delay(self) -> float:
        """Return the seconds that snapshots take longer."""
        slow = self._find("snapshot-slow", lambda _fault: True)
        return float(slow.params["seconds"]) if slow else 0.0

    def key_denied(self) -> bool:
        """Say whether this use of an encryption key is refused."""
        return self._take("kms-denied", lambda _fault: True)

    def disk_full(self, instance: str) -> bool:  # noqa: ARG002 - every machine may be the next
        """Say whether this installation finds its disk full."""
        return self._take("disk-full", lambda _fault: True)

    # --- inner workings ------------------------------------------------------------------------------------------

    def _follow_cluster(self) -> None:
        """Take over how often faults of the cluster may still strike; used up there is used up here."""
        if self.hands is None:
            return
        with self._guard:
            ours = {one.number: one for one in self._on if one.number is not None}
        acted = self.hands.cluster_faults()
        with self._guard:
            for number, fault in ours.items():
                fault.left = acted.get(number, fault.left)
            self._on = [one for one in self._on if one.number in acted or one.number not in ours]

    def _choose(self, name: str) -> str:
        running = sorted(self.hands.running()) if self.hands is not None else []
        if not running:
            raise NoSuchFault(f"fault {name} needs a machine that runs Bitbucket, and there is none")
        return self._random.choice(running)

    def _meant(self, fault: Fault, call: Call) -> bool:
        if fault.params["service"] not in {"*", call.service} or fault.params["action"] not in {"*", call.action}:
            return False
        return self._random.random() < float(fault.params.get("chance", 1.0))

    def _find(self, name: str, wanted: Callable[[Fault], bool]) -> Fault | None:
        with self._guard:
            return next((fault for fault in self._on if fault.name == name and wanted(fault)), None)

    def _take(self, name: str, wanted: Callable[[Fault], bool]) -> bool:
        with self._guard:
            fault = self._find(name, wanted)
            if fault is None:
                return False
            fault.uses += 1
            if fault.left is not None:
                fault.left -= 1
                if fault.left <= 0:
                    self._on.remove(fault)
            return True

    def _begin(self, fault: Fault) -> None:
        if self.hands is None:
            return
        acted = on_cluster(fault.name, fault.params)
        if acted:
            name, told = acted
            fault.number = self.hands.cluster_fault(name, fault.params.get("instance", "*"), fault.left, **told)
        elif fault.name in _HANDS:
            _HANDS[fault.name](self.hands, fault, True)

    def _end(self, fault: Fault) -> None:
        if self.hands is None:
            return
        if fault.number is not None:
            self.hands.clear_cluster_fault(fault.number)
        elif fault.name in _HANDS:
            _HANDS[fault.name](self.hands, fault, False)


def _crash(hands: Hands, fault: Fault, on: bool) -> None:  # noqa: FBT001 - called through the table below
    if on:
        hands.crash(fault.params["instance"])


def _hang(hands: Hands, fault: Fault, on: bool) -> None:  # noqa: FBT001 - called through the table below
    hands.hold_stop(fault.params["instance"], hold=on)


def _lose_zone(hands: Hands, fault: Fault, on: bool) -> None:  # noqa: FBT001 - called through the table below
    if on:
        hands.lose_zone(fault.params["zone"])


def _lock(hands: Hands, _fault: Fault, on: bool) -> None:  # noqa: FBT001 - called through the table below
    hands.lock(locked=on)


def _keep_busy(hands: Hands, fault: Fault, on: bool) -> None:  # noqa: FBT001 - called through the table below
    if on:
        hands.keep_databases_busy(fault.params["state"], fault.params["seconds"])


def _fail_operations(hands: Hands, fault: Fault, on: bool) -> None:  # noqa: FBT001 - called through the table below
    if on:
        wanted = fault.params
        hands.fail_operations(wanted["service"], wanted["action"], fault.left or 1, wanted["seconds"])


def _keep_disks(hands: Hands, _fault: Fault, on: bool) -> None:  # noqa: FBT001 - called through the table below
    hands.keep_disks(keep=on)


_HANDS: Mapping[str, Callable[[Hands, Fault, bool], None]] = {
    "crash": _crash,
    "stop-hangs": _hang,
    "az-loss": _lose_zone,
    "database-busy": _keep_busy,
    "operation-fails": _fail_operations,
    "reimage-keeps-disk": _keep_disks,
    "status-maintenance": _lock,
}
