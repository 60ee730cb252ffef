"""How a start of Bitbucket ends: a member, a cluster of its own, or ERROR, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lab.bitbucket.records import Node, State, release

if TYPE_CHECKING:
    from lab.bitbucket.life import Life

_RUNNING = (State.ACTIVE, State.DRAINING, State.TERMINATING)


def foresee(cluster: Life, node: Node) -> None:
    """Apply at the moment of the start what faults and the database make of it."""
    names = (node.spec.id, node.spec.address)
    if slow := cluster.faults.take("slow_boot", *names):
        node.due = (node.due or node.booted) + float(slow.params["seconds"])
    if cluster.faults.take("never_joins", *names):
        node.doom, node.due = "never_joins", None
    elif cluster.faults.take("boot_error", *names):
        node.doom = "boot_error"
    else:
        _collide(cluster, node)


def _collide(cluster: Life, node: Node) -> None:
    """Doom one of two nodes that start at the same moment; the first installation has nothing to collide with."""
    if cluster.database_version is None:
        return
    rivals = [n for n in cluster.nodes.values() if n.state is State.STARTING and not n.dead and n.doom is None]
    close = [n for n in rivals if node.booted - n.booted <= cluster.settings.collision_window]
    if not close:
        return
    chance = 1.0 if cluster.faults.on("collide") else cluster.settings.collision_chance
    if cluster.random.random() < chance:
        cluster.random.choice([node, close[-1]]).doom = "collision"


def refusal(cluster: Life, node: Node) -> str | None:
    """Name the rule by which this node may not become ACTIVE now, or return None."""
    version = release(node.spec.version)
    database = cluster.database_version
    if database is not None and version < release(database):
        return "database_is_newer"
    if cluster.window is not None and cluster.tasks_due is None:
        original = release(cluster.window.original_version)
        if version[:2] != original[:2] or version < original:
            return "no_bug_fix_version"
        return None
    others = {
        release(n.spec.version)
        for n in cluster.nodes.values()
        if n is not node and n.island == node.island and not n.dead and n.state in _RUNNING
    }
    if others and not cluster.is_clustered:
        return "not_clustered"
    return "other_version" if others and others != {version} else None


def finish_start(cluster: Life, node: Node, now: float) -> None:
    """End a start that is due: ACTIVE; or, refused, STARTING for some time more and then ERROR."""
    if node.doom is None and (why := refusal(cluster, node)):
        node.doom = why
        node.due = now + cluster.settings.refusal_seconds
        return
    node.due = None
    if node.doom is not None:
        cluster._changed(node, now, State.ERROR)  # noqa: SLF001 -- the two modules are one model, parted by subject
        return
    if cluster.window is None:
        bring_database_to(cluster, [node.spec.version])
    cluster._changed(node, now, State.ACTIVE)  # noqa: SLF001 -- as above


def bring_database_to(cluster: Life, versions: Iterable[str]) -> None:
    """Raise the database's version to the highest of ``versions``; it never sinks."""
    known = [cluster.database_version] if cluster.database_version is not None else []
    candidates = [*known, *versions]
    if candidates:
        cluster.database_version = max(candidates, key=release)
