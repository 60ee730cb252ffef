"""Refuse worlds that cannot exist: a model that accepts impossible inputs proves nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lab.bitbucket.records import Node, NodeSpec, State, WorldRefused, release

if TYPE_CHECKING:
    from lab.bitbucket.life import Life

Rule = Callable[["Life", float], Iterator[str]]

_MOVING = (State.STARTING, State.DRAINING, State.TERMINATING)


def refuse_boot(cluster: Life, spec: NodeSpec) -> None:
    """Raise WorldRefused when such a node cannot be started now."""
    release(spec.version)
    if not spec.id:
        raise WorldRefused("a machine needs a handle")
    _refuse_address(spec)
    for node in cluster.nodes.values():
        if node.dead:
            continue
        if node.spec.id == spec.id:
            raise WorldRefused(f"{spec.id} runs Bitbucket already")
        if node.spec.address == spec.address:
            raise WorldRefused(f"{spec.address} is taken by {node.spec.id}")


def _refuse_address(spec: NodeSpec) -> None:
    try:
        ipaddress.ip_address(spec.address)
    except ValueError as problem:
        raise WorldRefused(f"{spec.address!r} is no IP address") from problem
    if not 0 < spec.port < 65536:
        raise WorldRefused(f"{spec.port} is no port")


def one_node_per_address(cluster: Life, _now: float) -> Iterator[str]:
    """No two processes can listen at one address."""
    addresses = [node.spec.address for node in cluster.nodes.values()]
    yield from (f"{a} is held twice" for a in sorted({a for a in addresses if addresses.count(a) > 1}))


def no_node_is_offline(cluster: Life, _now: float) -> Iterator[str]:
    """OFFLINE is what a listing says of a node that is gone, never the state of a process."""
    yield from (f"{n.spec.id} runs and is OFFLINE" for n in cluster.nodes.values() if n.state is State.OFFLINE)


def nothing_is_overdue(cluster: Life, now: float) -> Iterator[str]:
    """After a tick nothing that was due is left undone."""
    yield from (f"{n.spec.id} is overdue" for n in cluster.nodes.values() if n.due is not None and n.due <= now)
    if cluster.tasks_due is not None and cluster.tasks_due <= now:
        yield "the upgrade tasks are overdue"


def settled_nodes_wait_for_nothing(cluster: Life, _now: float) -> Iterator[str]:
    """ACTIVE and ERROR do not end by themselves; the other states do, unless a fault holds them."""
    for node in cluster.nodes.values():
        if not node.dead and node.state not in _MOVING and node.due is not None:
            yield f"{node.spec.id} is {node.state} and has something due"
        if node.state is State.TERMINATING and node.due is None:
            yield f"{node.spec.id} terminates for ever"


def one_version_outside_upgrade_mode(cluster: Life, _now: float) -> Iterator[str]:
    """Without upgrade mode an island of ACTIVE nodes runs one version, unless a blind other island tore it."""
    if cluster.window is None:
        torn = sorted(mixed_islands(cluster) - cluster.torn)
        yield from (f"island {island} runs several versions without upgrade mode" for island in torn)


def bug_fix_versions_in_upgrade_mode(cluster: Life, _now: float) -> Iterator[str]:
    """In upgrade mode every ACTIVE node runs the original version or a higher bug-fix version of it."""
    if cluster.window is None or cluster.is_split:
        return  # what an island of its own runs was decided before anybody switched upgrade mode on elsewhere
    original = release(cluster.window.original_version)
    for nodes in _active_islands(cluster).values():
        for node in nodes:
            version = release(node.spec.version)
            if version[:2] != original[:2] or version < original:
                yield f"{node.spec.id} is ACTIVE with {node.spec.version}"


def tasks_need_upgrade_mode(cluster: Life, _now: float) -> Iterator[str]:
    """Upgrade tasks run while upgrade mode is on; a failed finalization leaves it off."""
    if cluster.tasks_due is not None and cluster.window is None:
        yield "upgrade tasks run without upgrade mode"
    if cluster.finalization_failed and cluster.window is not None:
        yield "upgrade mode is on although the finalization failed"


def a_task_needs_its_lock(cluster: Life, _now: float) -> Iterator[str]:
    """A maintenance task that runs has a lock around it."""
    if cluster.maintenance.latched() and cluster.maintenance.held is None:
        yield "a backup task runs without the lock"


def mixed_islands(cluster: Life) -> set[int]:
    """Return the islands whose ACTIVE nodes run more than one version."""
    versions = {
        island: {release(node.spec.version) for node in nodes} for island, nodes in _active_islands(cluster).items()
    }
    return {island for island, several in versions.items() if len(several) > 1}


def _active_islands(cluster: Life) -> dict[int, list[Node]]:
    islands: dict[int, list[Node]] = {}
    for node in cluster.nodes.values():
        if node.state is State.ACTIVE and not node.dead:
            islands.setdefault(node.island, []).append(node)
    return islands


RULES: tuple[Rule, ...] = (
    one_node_per_address,
    no_node_is_offline,
    nothing_is_overdue,
    settled_nodes_wait_for_nothing,
    one_version_outside_upgrade_mode,
    bug_fix_versions_in_upgrade_mode,
    tasks_need_upgrade_mode,
    a_task_needs_its_lock,
)


def problems(cluster: Life, now: float) -> list[str]:
    """Return every way in which this world cannot exist; empty for a possible one."""
    return [f"{rule.__name__}: {text}" for rule in RULES for text in rule(cluster, now)]
