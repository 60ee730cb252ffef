"""Named faults of a lab: what each does, with which parameters, and the book of those switched on.

A fault with ``times`` is used up after so many uses; one without stays until it is cleared. ``instance`` names a
machine; ``any`` (the default) lets the seed choose among those that run, or means every machine where the fault waits
for something to happen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from lab.aws.ports import Call, Reply

ANY = "any"


class NoSuchFault(ValueError):
    """The fault or one of its parameters does not exist, or it cannot be applied now."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One line of the catalogue.

    Attributes:
        meaning: what happens.
        params: parameters with their defaults; the type of the default is the type of the value.
        times: uses unless told otherwise; None for until cleared.
        cluster: the fault of lab.bitbucket.faults that acts it out; empty where the lab does it itself.
    """

    meaning: str
    params: Mapping[str, Any] = field(default_factory=dict)
    times: int | None = None
    cluster: str = ""


CATALOGUE: Mapping[str, Kind] = {
    "crash": Kind("a node's process is killed", {"instance": ANY}),
    "slow": Kind("a node answers late", {"instance": ANY, "seconds": 1.0}, cluster="slow"),
    "silent": Kind("a live node does not answer its peers: null in /rest/zdu", {"instance": ANY}, cluster="silent"),
    "throttled": Kind(
        "calls are refused: too many (service: autoscaling, ec2, elasticloadbalancing, ssm, monitoring, bitbucket, *)",
        {"service": "*", "action": "*", "chance": 1.0},
        times=3,
    ),
    "error": Kind("calls fail with an internal error of the service", {"service": "*", "action": "*"}, times=1),
    "lost-reply": Kind(
        "a call is carried out and its answer never arrives (service as for throttled)",
        {"service": "*", "action": "*"},
        times=1,
    ),
    "never-joins": Kind("the next node stays STARTING for ever", times=1, cluster="never_joins"),
    "alone": Kind("the next node finds nobody and runs alone on the shared database", times=1, cluster="alone"),
    "boot-error": Kind("the next node comes up in ERROR", times=1, cluster="boot_error"),
    "wedged-drain": Kind("a graceful stop never gets past DRAINING", {"instance": ANY}, 1, cluster="wedged_drain"),
    "disk-full": Kind("the next machine cannot install Bitbucket: its disk is full", times=1),
    "az-loss": Kind("every machine of a zone loses power, and none can be launched there", {"zone": "eu-west-1a"}),
    "stop-hangs": Kind("systemctl stop does nothing until its time-out", {"instance": ANY}),
    "agent-lost": Kind("the SSM agent of a machine is not connected", {"instance": "*"}),
    "launch-fails": Kind("a launch finds no capacity", {"zone": "*"}, times=1),
    "snapshot-fails": Kind("a volume snapshot ends in the state error", times=1),
    "snapshot-quota": Kind(
        "snapshots of volumes and databases are refused: the account's limit is reached (limit: total, concurrent)",
        {"limit": "total"},
    ),
    "snapshot-slow": Kind("snapshots take longer", {"seconds": 60.0}),
    "database-snapshot-fails": Kind("a database snapshot ends in the status failed", times=1),
    "database-busy": Kind(
        "every available database is in another state for a while", {"state": "backing-up", "seconds": 10.0}
    ),
    "kms-denied": Kind("an encryption key cannot be used for a copy or a restored volume", times=1),
    "status-maintenance": Kind("somebody has locked Bitbucket: /status says MAINTENANCE with code 200"),
}

CAPACITY = (
    "We currently do not have sufficient capacity in the Availability Zone you requested ({zone}). "
    "Our system will be working on provisioning additional capacity."
)
THROTTLES = {
    "ec2": Reply(503, "RequestLimitExceeded", "Request limit exceeded."),
    "ssm": Reply(400, "ThrottlingException", "Rate exceeded"),
}
AT_ONCE = frozenset({"crash", "database-busy"})
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


@dataclass(slots=True)
class Fault:
    """A fault that is switched on."""

    name: str
    params: dict[str, Any]
    left: int | None
    uses: int = 0

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

    def cluster_fault(self, name: str, instance: str, times: int | None, **params: Any) -> None:
        """Switch a fault of the cluster on."""
        ...

    def clear_cluster_fault(self, name: str) -> None:
        """Switch it off."""
        ...

    def cluster_faults(self) -> Mapping[tuple[str, str], int | None]:
        """Return what the cluster still acts out: (its name, machine) -> uses left, None for until cleared."""
        ...

    def lock(self, *, locked: bool) -> None:
        """Lock Bitbucket for maintenance, or unlock it."""
        ...

    def keep_databases_busy(self, state: str, seconds: float) -> None:
        """Let every available database be in another state for a while."""
        ...


class FaultBook:
    """The faults that are switched on, and what the AWS world asks of them (lab.aws.ports.Faults).

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
        kind = CATALOGUE.get(name)
        if kind is None:
            raise NoSuchFault(f"no fault is called {name!r}; there are: {', '.join(CATALOGUE)}")
        unknown = sorted(set(given) - set(kind.params))
        if unknown:
            has = ", ".join(kind.params) or "none"
            raise NoSuchFault(f"fault {name} has no parameter {', '.join(unknown)}; it has: {has}")
        params = {key: type(default)(given.get(key, default)) for key, default in kind.params.items()}
        if name == "snapshot-quota" and params["limit"] not in ("total", "concurrent"):
            raise NoSuchFault(f"fault {name} knows the limits total and concurrent, not {params['limit']!r}")
        if params.get("instance") == ANY and self.hands is not None:
            params["instance"] = self._choose(name)
        fault = Fault(name, params, times if times is not None else kind.times)
        self._begin(kind, fault)  # without the guard: machines ask this book while they hold theirs
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

    # --- for the AWS world ---------------------------------------------------------------------------------------

    def refuse(self, call: Call) -> Reply | None:
        """Throttle or fail this call."""
        if self._take("throttled", lambda fault: self._meant(fault, call)):
            return THROTTLES.get(call.service, Reply(400, "Throttling", "Rate exceeded"))
        if self._take("error", lambda fault: self._meant(fault, call)):
            return Reply(500, "InternalFailure", "An internal error has occurred.")
        if call.action in SNAPSHOTS and (full := self._find("snapshot-quota", lambda _fault: True)):
            self._take("snapshot-quota", lambda fault: fault is full)
            return QUOTAS["rds" if call.service == "rds" else str(full.params["limit"])]
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
        acted = self.hands.cluster_faults()
        with self._guard:
            for fault in [one for one in self._on if _cluster_name(one)]:
                key = (_cluster_name(fault), str(fault.params.get("instance", "*")))
                if key in acted:
                    fault.left = acted[key]
                else:
                    self._on.remove(fault)

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

    def _begin(self, kind: Kind, fault: Fault) -> None:
        hands, params = self.hands, dict(fault.params)
        if hands is None:
            return
        instance = params.pop("instance", "*")
        cluster = _cluster_name(fault)
        if cluster:
            more = params if kind.cluster else _BITBUCKET[fault.name][1]
            hands.cluster_fault(cluster, instance, fault.left, **more)
        elif fault.name in _HANDS:
            _HANDS[fault.name](hands, fault, True)

    def _end(self, fault: Fault) -> None:
        if self.hands is None:
            return
        cluster = _cluster_name(fault)
        if cluster:
            self.hands.clear_cluster_fault(cluster)
        elif fault.name in _HANDS:
            _HANDS[fault.name](self.hands, fault, False)


_BITBUCKET: Mapping[str, tuple[str, dict[str, Any]]] = {
    "throttled": ("http_error", {"status": 429, "path": "/rest/", "retry_after": 1}),
    "error": ("http_error", {"status": 500, "path": "/rest/"}),
    "lost-reply": ("lost_reply", {"path": "/rest/zdu", "method": "POST"}),
}


def _cluster_name(fault: Fault) -> str:
    """Return the fault of the cluster that acts this one out; empty when the lab does it itself."""
    if fault.params.get("service") == "bitbucket":
        return _BITBUCKET[fault.name][0]
    return CATALOGUE[fault.name].cluster


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


_HANDS: Mapping[str, Callable[[Hands, Fault, bool], None]] = {
    "crash": _crash,
    "stop-hangs": _hang,
    "az-loss": _lose_zone,
    "database-busy": _keep_busy,
    "status-maintenance": _lock,
}
