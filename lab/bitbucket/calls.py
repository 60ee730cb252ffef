"""The calls that a node process passes on to the cluster, by name: what Hazelcast and the database do in reality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.bitbucket.model import Cluster
from lab.bitbucket.records import Json, Reply, errors
from lab.bitbucket.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: by which node, when, with what."""

    cluster: Cluster
    around: Surroundings
    node: str
    now: float
    args: Mapping[str, Any]


def _banner(asked: Asked) -> Reply:
    return Reply(200, asked.around.banner) if asked.around.banner else Reply(204)


def _no_banner(asked: Asked) -> Reply:
    asked.around.banner = None
    return Reply(204)


def _lock(asked: Asked) -> Reply:
    return asked.cluster.maintenance.lock(asked.args["user"], asked.args["display_name"], asked.now)


def _begin_integrity_check(asked: Asked) -> Reply:
    """Give the check to the first node that asks after a start of the whole cluster; 409 for the others."""
    if asked.cluster.integrity_checked_by is not None:
        return Reply(409)
    asked.cluster.integrity_checked_by = asked.node
    return Reply(200)


CALLS: Mapping[str, Callable[[Asked], Reply]] = {
    "zdu.cluster": lambda a: Reply(200, a.cluster.cluster_view(a.now, a.node)),
    "zdu.state": lambda a: Reply(200, a.cluster.state_view(a.now, a.node)),
    "zdu.node": lambda a: a.cluster.node_view(a.now, a.args["id"], a.node),
    "zdu.start": lambda a: a.cluster.start_upgrade(a.now, a.node),
    "zdu.cancel": lambda a: a.cluster.cancel(a.now, a.node),
    "zdu.approve": lambda a: a.cluster.approve(a.now, a.node),
    "admin.cluster": lambda a: Reply(200, a.cluster.admin_cluster(a.node, a.now)),
    "admin.license": lambda a: a.around.licence(a.now, a.args["users"]),
    "admin.mesh": lambda a: Reply(200, {"values": a.around.mesh(a.now)}),
    "admin.mesh.inconsistent": lambda a: Reply(200, {"values": a.around.inconsistent_replicas()}),
    "integrity.begin": _begin_integrity_check,
    "mirrors.list": lambda a: Reply(200, {"values": a.around.mirror_servers()}),
    "banner.get": _banner,
    "banner.put": lambda a: a.around.set_banner(dict(a.args["banner"])),
    "banner.delete": _no_banner,
    "apps.updates": lambda a: Reply(200, a.around.updates(a.args["version"])),
    "apps.compatibility": lambda a: Reply(200, a.around.compatibility(a.args["build"])),
    "health": lambda a: Reply(200, a.around.health(a.now)),
    "mirrors.switch": lambda a: Reply(200, a.around.switch_mirrors(a.args["version"], on=bool(a.args["on"]))),
    "maintenance.lock": _lock,
    "maintenance.owner": lambda a: a.cluster.maintenance.lock_view(),
    "maintenance.unlock": lambda a: a.cluster.maintenance.unlock(a.args["token"]),
    "maintenance.backup": lambda a: a.cluster.maintenance.start_backup(a.args["token"], a.now),
    "maintenance.view": lambda a: a.cluster.maintenance.view(a.args["token"], a.now),
    "maintenance.progress": lambda a: a.cluster.maintenance.progress(a.args["token"], a.args["percentage"]),
    "maintenance.cancel": lambda a: a.cluster.maintenance.cancel(a.args["token"]),
}
_WAITS_FOR_ALL = frozenset({"zdu.cluster", "zdu.node", "zdu.start", "zdu.cancel", "zdu.approve"})
"""Calls that ask every member, and so wait for one that does not answer."""


def carry_out(name: str, asked: Asked) -> tuple[Reply, float]:
    """Carry out a call; return the reply and the seconds that it takes.

    Raises:
        KeyError: there is no such call.
    """
    call = CALLS[name]
    if asked.cluster.nodes.get(asked.node) is None:
        return errors(503, "This node is not part of a cluster."), 0.0
    if name.startswith("zdu.") and not asked.cluster.is_clustered:
        message = "Rolling upgrades feature requires a clustered installation."
        return errors(403, message, "com.atlassian.bitbucket.AuthorisationException"), 0.0
    delay = asked.cluster.answer_delay(asked.node) if name in _WAITS_FOR_ALL else 0.0
    return call(asked), delay


def as_json(reply: Reply, delay: float) -> Json:
    """Pack a reply for the way to the node's process."""
    return {"status": reply.status, "body": reply.body, "delay": delay}
