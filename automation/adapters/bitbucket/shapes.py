"""From Bitbucket's JSON to the core's values. No I/O.

Fields come and go between versions and are null on nodes that are down: what is missing becomes None, an unknown
word becomes UNKNOWN, and no node is ever left out because a part of it cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from automation.core.cluster import Cluster, ClusterState, Node, NodeState
from automation.ports.bitbucket import Application, HealthCheck, Licence, MeshNode
from automation.ports.errors import Unexpected
from automation.ports.maintenance import MaintenanceState

Json = Mapping[str, Any]


def fields(value: object, what: str, *any_of: str) -> Json:
    """Return ``value`` when it is an object with at least one of the keys ``any_of``.

    Raises:
        Unexpected: it is something else, so the answer does not come from the place that was asked.
    """
    if isinstance(value, dict) and (not any_of or any(key in value for key in any_of)):
        return value
    kind = "an empty answer" if value is None else f"a JSON {type(value).__name__}"
    wanted = " or ".join(any_of) or "fields"
    raise Unexpected(f"{what}: {kind} without {wanted}", hint="does BITBUCKET_URL lead to Bitbucket?")


def items(value: object, *keys: str) -> tuple[Json, ...]:
    """Return the objects of a list, or of the first list found under ``keys``."""
    if isinstance(value, dict):
        value = next((value[key] for key in keys if isinstance(value.get(key), list)), [])
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def text(value: object) -> str | None:
    """Return a text that is not empty, or None."""
    return value.strip() or None if isinstance(value, str) else None


def number(value: object) -> int | None:
    """Return a count, also when it is written as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value.strip()) else None


def address(value: object) -> str | None:
    """Return the host of ``10.0.1.7``, ``/10.0.1.7:5701``, ``name/10.0.1.7:5701`` or ``[fe80::1]:5701``."""
    written = text(value)
    if written is None:
        return None
    host = written.rpartition("/")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


def cluster(value: object) -> Cluster:
    """Read ``/rest/zdu/cluster``."""
    body = fields(value, "GET /rest/zdu/cluster", "state", "nodes")
    state = ClusterState.of(body.get("state"))
    mode = body.get("upgradeModeEnabled")
    return Cluster(
        state=state,
        upgrade_mode=mode if isinstance(mode, bool) else state in _IN_UPGRADE_MODE,
        nodes=tuple(_node(item) for item in items(body, "nodes")),
        original_version=text(body.get("originalVersion")),
    )


_IN_UPGRADE_MODE = {
    ClusterState.READY_TO_UPGRADE,
    ClusterState.MIXED,
    ClusterState.READY_TO_RUN_UPGRADE_TASKS,
    ClusterState.RUNNING_UPGRADE_TASKS,
}


def _node(item: Json) -> Node:
    state, name = item.get("state"), text(item.get("name"))
    return Node(
        id=str(item.get("id") or ""),
        address=address(item.get("ipAddress")) or "",
        # A null state is Bitbucket's word for a live node that did not answer it within 5 s.
        state=NodeState.SILENT if state is None else NodeState.of(state),
        version=text(item.get("version")),
        port=number(item.get("portNumber")),
        name=None if name == "Not configured" else name,
        tasks=number(item.get("tasksTotal")),
        users=number(item.get("activeUserCount")),
    )


def application(value: object) -> Application:
    """Read ``/rest/api/latest/application-properties``."""
    body = fields(value, "GET /rest/api/latest/application-properties", "version")
    version = text(body.get("version"))
    if version is None:
        raise Unexpected("GET /rest/api/latest/application-properties: no version in the answer")
    return Application(version=version, build=str(body.get("buildNumber") or ""))


def status(value: object) -> str | None:
    """Read ``/status``: the word under ``state``, whatever the HTTP status; None when there is none."""
    return text(value.get("state")) if isinstance(value, dict) else None


def members(value: object) -> frozenset[str] | None:
    """Read ``/rest/api/latest/admin/cluster``: the addresses of all members; None unless each one can be read."""
    found = [_member(item) for item in items(value, "nodes")]
    known = frozenset(one for one in found if one is not None)
    return known if found and len(known) == len(set(found)) else None


def _member(item: Json) -> str | None:
    place = item.get("address")
    if isinstance(place, dict):
        return address(place.get("address")) or address(place.get("hostName"))
    return address(place)


def licence(value: object) -> Licence:
    """Read ``/rest/api/latest/admin/license``; times there are in milliseconds."""
    what = "GET /rest/api/latest/admin/license"
    body = fields(value, what, "expiryDate", "maximumNumberOfUsers", "unlimitedNumberOfUsers", "status")
    expires, users = body.get("expiryDate"), number(body.get("maximumNumberOfUsers"))
    if expires is not None and number(expires) is None:
        raise Unexpected(f"{what}: expiryDate is no time in milliseconds")
    unlimited = body.get("unlimitedNumberOfUsers") is True or (users is not None and users < 0)
    return Licence(expires=None if expires is None else float(expires) / 1000, users=None if unlimited else users)


def health_check(item: Json) -> HealthCheck:
    """Read one line of ``/rest/troubleshooting/1.0/check/``; only a plain true is healthy."""
    return HealthCheck(
        name=text(item.get("name")) or text(item.get("completeKey")) or "unnamed check",
        healthy=item.get("isHealthy") is True,
        severity=text(item.get("severity")) or "undefined",
        reason=text(item.get("failureReason")) or "",
    )


def mesh_node(item: Json) -> MeshNode:
    """Read one line of ``/rest/api/latest/admin/git/mesh/nodes``."""
    state = text(item.get("state")) or "UNKNOWN"
    offline = item.get("offline")
    return MeshNode(
        name=text(item.get("name")) or str(item.get("id") or "unnamed"),
        state=state,
        offline=offline if isinstance(offline, bool) else state == "OFFLINE",
    )


def build_of(value: object, version: str) -> str | None:
    """Find ``version`` among ``/rest/plugins/1.0/product-updates/`` and return its build number; None if absent."""
    for item in items(value, "versions"):
        if text(item.get("version")) == version:
            found = re.search(r"product-updates/(\d+)", str(item.get("links")))
            return found[1] if found else None
    return None


def apps_left_behind(value: object) -> tuple[str, ...]:
    """Names of enabled apps that do not run on the new version as they are installed now."""
    body = fields(value, "GET /rest/plugins/1.0/product-updates", "incompatible", "compatible")
    lists = ("incompatible", "updateRequired", "updateRequiredAfterProductUpdate")
    apps = [app for key in lists for app in items(body.get(key)) if app.get("enabled") is not False]
    return tuple(sorted({text(app.get("name")) or str(app.get("key") or "unnamed app") for app in apps}))


def owner(value: object) -> str | None:
    """Read who holds the maintenance lock: the user's name, or what is shown for it; None when it says neither."""
    held = value.get("owner") if isinstance(value, dict) else None
    return text(held.get("name")) or text(held.get("displayName")) if isinstance(held, dict) else None


def maintenance(value: object) -> MaintenanceState:
    """Read ``GET /mvc/maintenance``."""
    body = fields(value, "GET /mvc/maintenance", "task", "db-state", "scm-state")
    task = body.get("task")
    return MaintenanceState(
        task=(text(task.get("state")) if isinstance(task, dict) else None) or "UNKNOWN",
        database=text(body.get("db-state")) or "UNKNOWN",
        scm=text(body.get("scm-state")) or "UNKNOWN",
    )


def page(value: object, what: str) -> tuple[int, int | None]:
    """Read one page of a list: how many values it holds, and where the next one starts; None after the last."""
    body = fields(value, what, "values")
    last = body.get("isLastPage")
    return len(items(body, "values")), None if last is not False else number(body.get("nextPageStart"))
