"""Named faults of the cluster, and the book that keeps which are switched on.

A fault with ``times`` is used up after so many uses; without, it stays until it is cleared. ``node`` is a machine's
handle or address; ``*`` (the default) means any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.bitbucket.records import Fault, Json, WorldRefused


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One line of the catalogue."""

    meaning: str
    where: Literal["cluster", "node"] = "cluster"
    """``node``: node processes act it out on their own HTTP; otherwise the model does."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters with their defaults; others are refused."""
    times: int | None = None
    """Uses unless told otherwise; None for until cleared."""


CATALOGUE: Mapping[str, FaultKind] = {
    "alone": FaultKind("the next start finds nobody and forms a cluster of its own on the same database", times=1),
    "never_joins": FaultKind("the next start stays STARTING for ever", times=1),
    "boot_error": FaultKind("the next start ends in ERROR", times=1),
    "slow_boot": FaultKind("the next start takes so much longer", params={"seconds": 60.0}, times=1),
    "collide": FaultKind("two starts within the collision window collide for certain"),
    "error": FaultKind("a running node goes ERROR at once", times=1),
    "silent": FaultKind("a live node does not answer its peers: null state and version"),
    "unknown_state": FaultKind("a node reports a state that nobody documented", params={"state": "HIBERNATING"}),
    "unknown_cluster_state": FaultKind("so does the cluster", params={"state": "PONDERING"}),
    "extra_fields": FaultKind("answers carry fields that nobody documented"),
    "counts_null": FaultKind("tasksTotal and activeUserCount are null"),
    "counts_absent": FaultKind("tasksTotal and activeUserCount are absent"),
    "wedged_drain": FaultKind("a graceful stop never gets past DRAINING", times=1),
    "tasks_fail": FaultKind("the upgrade tasks fail", times=1),
    "approve_error": FaultKind(
        "approve answers 500; then: nothing (state as before), running (goes on anyway) or failed",
        params={"then": "nothing"},
        times=1,
    ),
    "start_error": FaultKind("start answers 500 and changes nothing", times=1),
    "not_clustered": FaultKind("the licence does not allow clustering"),
    "licence_expired": FaultKind("the licence ended yesterday"),
    "no_licence": FaultKind("there is no licence"),
    "first_run": FaultKind("/status says FIRST_RUN"),
    "health_check": FaultKind("a health check fails", params={"name": "Database", "severity": "critical"}),
    "incompatible_app": FaultKind("an enabled app does not run on the new version", params={"name": "Branch Painter"}),
    "mesh_offline": FaultKind("a Mesh node is OFFLINE", params={"mesh": 1}),
    "mesh_inconsistent": FaultKind("replicas on Mesh nodes are inconsistent", params={"repositories": 1}),
    "drain_never": FaultKind(
        "maintenance: never drains; what: scm (Git processes) or database", params={"what": "scm"}
    ),
    "task_cancelled": FaultKind(
        "maintenance: an administrator cancels the backup task; at: started or drained",
        params={"at": "started"},
        times=1,
    ),
    "lock_lost": FaultKind(
        "maintenance: the lock is gone, as after a restart of all nodes; at: locked, started or drained",
        params={"at": "locked"},
        times=1,
    ),
    "busy_status": FaultKind("/status closes without an answer", where="node"),
    "slow": FaultKind("every answer takes longer", where="node", params={"seconds": 1.0, "path": "/"}),
    "hang": FaultKind("requests are taken and never answered", where="node", params={"path": "/"}),
    "http_error": FaultKind(
        "requests are answered with an error",
        where="node",
        params={"status": 503, "path": "/", "method": "*", "body": "json", "retry_after": None},
    ),
    "html": FaultKind("HTML instead of JSON", where="node", params={"path": "/rest/"}),
    "lost_reply": FaultKind(
        "the request is carried out, its answer is lost", where="node", params={"path": "/", "method": "*"}, times=1
    ),
}


@dataclass(slots=True)
class _Switched:
    fault: Fault
    left: int | None


class FaultBook:
    """The faults that are switched on; cheap to ask when there are none."""

    def __init__(self) -> None:
        self._on: dict[str, list[_Switched]] = {}
        self._uid = 0

    def set(self, name: str, /, *, node: str = "*", times: int | None = None, **params: Any) -> Fault:
        """Switch a fault on.

        Raises:
            WorldRefused: no such fault, or it has no such parameter.
        """
        kind = CATALOGUE.get(name)
        if kind is None:
            raise WorldRefused(f"no fault is called {name!r}; there are: {', '.join(sorted(CATALOGUE))}")
        if unknown := sorted(set(params) - set(kind.params)):
            raise WorldRefused(f"fault {name} has no parameter {', '.join(unknown)}; it has: {', '.join(kind.params)}")
        self._uid += 1
        fault = Fault(self._uid, name, node, {**kind.params, **params})
        self._on.setdefault(name, []).append(_Switched(fault, times if times is not None else kind.times))
        return fault

    def __contains__(self, name: object) -> bool:
        return name in self._on

    def on(self, name: str, *names: str) -> Fault | None:
        """Return the fault ``name`` that concerns a machine known under ``names``, without using it up."""
        found = self._find(name, names) if self._on else None
        return found.fault if found else None

    def take(self, name: str, *names: str) -> Fault | None:
        """Return that fault and count one use of it."""
        found = self._find(name, names) if self._on else None
        if found is None:
            return None
        self._use(found)
        return found.fault

    def take_uid(self, uid: int) -> bool:
        """Count one use of the fault with this number; False when it is switched off or used up."""
        for switched in self._all():
            if switched.fault.uid == uid:
                self._use(switched)
                return True
        return False

    def clear(self, name: str | None = None) -> int:
        """Switch the faults of one name off, or all; return how many."""
        gone = list(self._on) if name is None else [name]
        return sum(len(self._on.pop(each, ())) for each in gone)

    def clear_uid(self, uid: int) -> bool:
        """Switch the fault with this number off; False when it is off or used up."""
        switched = next((one for one in self._all() if one.fault.uid == uid), None)
        if switched is not None:
            self._drop(switched)
        return switched is not None

    def of_node(self, *names: str) -> list[Json]:
        """Return the faults that the node's own process has to act out."""
        return [
            {"uid": s.fault.uid, "name": s.fault.name, "params": s.fault.params, "counted": s.left is not None}
            for s in self._all()
            if CATALOGUE[s.fault.name].where == "node" and s.fault.node in ("*", *names)
        ]

    def to_json(self) -> list[Json]:
        """Return all that is switched on."""
        return [
            {"uid": s.fault.uid, "name": s.fault.name, "node": s.fault.node, "params": s.fault.params, "left": s.left}
            for s in self._all()
        ]

    def _all(self) -> Iterator[_Switched]:
        return (switched for several in self._on.values() for switched in several)

    def _find(self, name: str, names: tuple[str, ...]) -> _Switched | None:
        for switched in self._on.get(name, ()):
            if switched.fault.node == "*" or switched.fault.node in names:
                return switched
        return None

    def _use(self, switched: _Switched) -> None:
        if switched.left is None:
            return
        switched.left -= 1
        if switched.left <= 0:
            self._drop(switched)

    def _drop(self, switched: _Switched) -> None:
        several = self._on[switched.fault.name]
        several.remove(switched)
        if not several:
            del self._on[switched.fault.name]
