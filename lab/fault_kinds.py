"""Kinds of faults: what each named fault does, with which parameters, and what of it Bitbucket's model acts out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANY = "any"
"""An instance that the lab's seed chooses among those that run."""
LOCK, PROGRESS = "/mvc/maintenance/lock", "/mvc/admin/backups/progress"


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
        told: what that fault is told besides the parameters.
        choices: parameter -> the values it may have, where there are only a few.
    """

    meaning: str
    params: Mapping[str, Any] = field(default_factory=dict)
    times: int | None = None
    cluster: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


CATALOGUE: Mapping[str, Kind] = {
    "crash": Kind("a node's process is killed", {"instance": ANY}),
    "slow": Kind("a node answers late", {"instance": ANY, "seconds": 1.0}, cluster="slow"),
    "silent": Kind("a live node does not answer its peers: null in /rest/zdu", {"instance": ANY}, cluster="silent"),
    "throttled": Kind(
        "calls are refused: too many (service: autoscaling, ec2, elasticloadbalancing, ssm, monitoring, bitbucket, *; "
        "in Azure compute, network, dbforpostgresql, insights, keyvault)",
        {"service": "*", "action": "*", "chance": 1.0},
        times=3,
    ),
    "error": Kind("calls fail with an internal error of the service", {"service": "*", "action": "*"}, times=1),
    "lost-reply": Kind(
        "a call is carried out and its answer never arrives (service as for throttled)",
        {"service": "*", "action": "*"},
        times=1,
    ),
    "operation-fails": Kind(
        "an operation that Azure accepted fails after a while (action: such as POST */reimage)",
        {"service": "*", "action": "*", "seconds": 1.0},
        times=1,
    ),
    "reimage-keeps-disk": Kind("a machine that Azure reimages shows the same disk, by name, id and time, as before"),
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
        choices={"limit": ("total", "concurrent")},
    ),
    "snapshot-slow": Kind("snapshots take longer", {"seconds": 60.0}),
    "database-snapshot-fails": Kind("a database snapshot ends in the status failed", times=1),
    "database-busy": Kind(
        "every available database is in another state for a while", {"state": "backing-up", "seconds": 10.0}
    ),
    "kms-denied": Kind("an encryption key cannot be used for a copy or a restored volume", times=1),
    "status-maintenance": Kind("somebody has locked Bitbucket: /status says MAINTENANCE with code 200"),
    "lock-reply-lost": Kind(
        "Bitbucket is locked for maintenance and the answer with the unlock token never arrives",
        times=1,
        cluster="lost_reply",
        told={"path": LOCK, "method": "POST"},
    ),
    "unlock-fails": Kind(
        "Bitbucket answers an unlocking with 503 and stays locked",
        times=1,
        cluster="http_error",
        told={"status": 503, "path": LOCK, "method": "DELETE"},
    ),
    "progress-fails": Kind(
        "Bitbucket answers a report of a backup's progress with 500",
        times=1,
        cluster="http_error",
        told={"status": 500, "path": PROGRESS},
    ),
    "drain-never": Kind(
        "a backup's drain never ends (what: scm for Git processes, database)",
        {"what": "scm"},
        cluster="drain_never",
        choices={"what": ("scm", "database")},
    ),
    "task-cancelled": Kind(
        "an administrator cancels the backup task (at: started, drained)",
        {"at": "started"},
        times=1,
        cluster="task_cancelled",
        choices={"at": ("started", "drained")},
    ),
    "lock-lost": Kind(
        "the maintenance lock is gone, as after a restart of all nodes (at: locked, started, drained)",
        {"at": "locked"},
        times=1,
        cluster="lock_lost",
        choices={"at": ("locked", "started", "drained")},
    ),
    "mesh-inconsistent": Kind(
        "replicas of repositories on Mesh nodes are inconsistent", {"repositories": 1}, cluster="mesh_inconsistent"
    ),
}

_BITBUCKET: Mapping[str, tuple[str, dict[str, Any]]] = {
    "throttled": ("http_error", {"status": 429, "path": "/rest/", "retry_after": 1}),
    "error": ("http_error", {"status": 500, "path": "/rest/"}),
    "lost-reply": ("lost_reply", {"path": "/rest/zdu", "method": "POST"}),
}
"""What the faults of services are on the cluster, when the service is Bitbucket."""


def check(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fault's parameters, complete and of the right types.

    Raises:
        NoSuchFault: the name, a parameter or its value is unknown.
    """
    kind = CATALOGUE.get(name)
    if kind is None:
        raise NoSuchFault(f"no fault is called {name!r}; there are: {', '.join(CATALOGUE)}")
    if unknown := sorted(set(given) - set(kind.params)):
        has = ", ".join(kind.params) or "none"
        raise NoSuchFault(f"fault {name} has no parameter {', '.join(unknown)}; it has: {has}")
    return {key: _value(name, kind, key, given.get(key, default)) for key, default in kind.params.items()}


def _value(name: str, kind: Kind, key: str, given: Any) -> Any:
    wanted = type(kind.params[key])
    try:
        value = wanted(given)
    except ValueError as error:
        raise NoSuchFault(f"fault {name} wants {key} as {wanted.__name__}, not {given!r}") from error
    if value not in kind.choices.get(key, (value,)):
        raise NoSuchFault(f"fault {name} knows {key} as {', '.join(kind.choices[key])}, not {given!r}")
    return value


def on_cluster(name: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return the fault of the cluster that acts this one out and what it is told; None when the lab does it itself."""
    if params.get("service") == "bitbucket":
        return _BITBUCKET[name]
    kind = CATALOGUE[name]
    own = {key: value for key, value in params.items() if key != "instance"}
    return (kind.cluster, {**own, **kind.told}) if kind.cluster else None
