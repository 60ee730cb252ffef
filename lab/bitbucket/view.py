"""The rolling-upgrade API's answers, computed afresh at each call from what the asked node sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.bitbucket.faults import FaultBook
from lab.bitbucket.records import Json, Node, Remembered, Settings, State, Upgrade, build_number


@dataclass(frozen=True, slots=True)
class Window:
    """What upgrade mode keeps in the database while it is on."""

    original_version: str
    remembered: tuple[tuple[str, Remembered], ...]
    """The node list of the moment of ``start``, by merge key."""


def is_silent(node: Node, faults: FaultBook, asked: str | None) -> bool:
    """Tell whether the asked node waits in vain for what this one says of itself; it always knows itself."""
    if node.dead:
        return True
    return node.spec.id != asked and faults.on("silent", node.spec.id, node.spec.address) is not None


def upgrade_state(
    nodes: Iterable[Node], window: Window | None, faults: FaultBook, *, asked: str | None, running: bool, failed: bool
) -> Upgrade:
    """Compute the state in Bitbucket's order; ``nodes`` are the live ones (none of them is OFFLINE)."""
    if running:
        return Upgrade.RUNNING_UPGRADE_TASKS
    if window is None:
        return Upgrade.UPGRADE_TASKS_FAILED if failed else Upgrade.STABLE
    versions: set[str | None] = set()
    for node in nodes:
        silent = is_silent(node, faults, asked)
        if node.state is State.ERROR and not silent:
            return Upgrade.MIXED
        versions.add(None if silent else node.spec.version)
    if len(versions) > 1:
        return Upgrade.MIXED
    if versions == {window.original_version}:
        return Upgrade.READY_TO_UPGRADE
    return Upgrade.READY_TO_RUN_UPGRADE_TASKS


def node_json(node: Node, settings: Settings, faults: FaultBook, *, local: bool) -> Json:
    """Return a live node as ``/rest/zdu`` shows it; a silent one has no state, version or counts."""
    spec = node.spec
    silent = is_silent(node, faults, spec.id if local else None)
    odd = faults.on("unknown_state", spec.id, spec.address)
    shown: Json = {
        "id": node.uuid,
        "name": spec.name,
        "ipAddress": spec.address,
        "portNumber": spec.port,
        "state": None if silent else odd.params["state"] if odd else node.state.value,
        "version": None if silent else spec.version,
        "buildNumber": None if silent else build_number(spec.version),
        "local": local,
        "links": _self_link(settings, node.uuid),
    }
    counts = _counts_style(settings, faults)
    if counts != "absent":
        known = counts == "numbers" and not silent
        shown["tasksTotal"] = node.tasks if known else None
        shown["activeUserCount"] = node.users if known else None
    if faults.on("extra_fields"):
        shown["hostClass"] = {"of": "undocumented"}
    return shown


def ghost_json(ghost: Remembered, settings: Settings, faults: FaultBook) -> Json:
    """Return a node that ``start`` remembered and that is gone."""
    shown: Json = {
        "id": ghost.uuid,
        "name": ghost.name,
        "ipAddress": ghost.address,
        "portNumber": ghost.port,
        "state": State.OFFLINE.value,
        "version": None,
        "buildNumber": None,
        "local": False,
        "links": _self_link(settings, ghost.uuid),
    }
    if _counts_style(settings, faults) != "absent":
        shown |= {"tasksTotal": None, "activeUserCount": None}
    return shown


def listing(
    nodes: Sequence[Node], window: Window | None, settings: Settings, faults: FaultBook, *, asked: str | None
) -> list[Json]:
    """Return present nodes, then remembered ones whose ``address:port`` no present node has."""
    shown = [node_json(node, settings, faults, local=node.spec.id == asked) for node in nodes]
    if window is not None:
        present = {node.spec.key for node in nodes}
        shown += [ghost_json(ghost, settings, faults) for key, ghost in window.remembered if key not in present]
    return shown


def admin_cluster(nodes: Sequence[Node], settings: Settings, *, asked: str) -> Json:
    """Return ``/rest/api/latest/admin/cluster`` of the asked node: the members that it sees itself."""
    members = [_member_json(node, settings, local=node.spec.id == asked) for node in nodes]
    local = next(member for member in members if member["local"])
    return {"localNode": local, "nodes": members, "running": True}


def _member_json(node: Node, settings: Settings, *, local: bool) -> Json:
    return {
        "id": node.uuid,
        "name": node.spec.name,
        "buildVersion": node.spec.version,
        "address": {settings.address_key: node.spec.address, "port": node.spec.port},
        "local": local,
    }


def _counts_style(settings: Settings, faults: FaultBook) -> str:
    if faults.on("counts_absent"):
        return "absent"
    return "null" if faults.on("counts_null") else settings.counts


def _self_link(settings: Settings, uuid: str) -> list[Json]:
    return [{"rel": "self", "href": f"{settings.base_url}/rest/zdu/nodes/{uuid}"}]
