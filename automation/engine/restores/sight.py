"""What a pass of a restore looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from automation.core.cluster import InstanceState, NodeGroup, OwnView, TargetState
from automation.core.restores.decide import awaited
from automation.core.restores.memory import Memory, Sight
from automation.ports.restoring import Restoring


def look(at: Restoring, memory: Memory) -> Sight:
    """Observe the machines; each node is asked itself, because nobody may serve for it now."""
    group = at.group.observe()
    if not memory.suspended or memory.calling_off:
        return Sight(at.clock.now(), group)
    views = {i.id: at.nodes.view(i.address) for i in group.instances if i.address}
    serving = _serving(group, views, _healthy(at)) if memory.activated is not None else frozenset[str]()
    return Sight(at.clock.now(), group, {id_: view.status for id_, view in views.items()}, serving)


def _serving(group: NodeGroup, views: Mapping[str, OwnView], healthy: Collection[str]) -> frozenset[str]:
    """Return who runs, is healthy in the balancer, and sees all the others that are: two halves are no cluster."""
    running = [
        i
        for i in group.instances
        if i.state is InstanceState.IN_SERVICE and i.id in healthy and i.id in views and views[i.id].status == "RUNNING"
    ]
    addresses = {i.address for i in running}
    return frozenset(i.id for i in running if addresses <= (views[i.id].members or frozenset[str]()))


def _healthy(at: Restoring) -> frozenset[str]:
    targets, groups = at.balancer.targets(), set(at.balancer.groups())
    by_instance: dict[str, set[str]] = {}
    for target in targets:
        if target.state is TargetState.HEALTHY:
            by_instance.setdefault(target.instance, set()).add(target.group)
    return frozenset(instance for instance, seen in by_instance.items() if seen >= groups)


def note(memory: Memory, seen: Sight) -> Memory:
    """Keep since when what is waited for."""
    if memory.activated is None:
        since = memory.stopping_since if memory.stopping_since is not None else seen.at
        return replace(memory, stopping_since=since if memory.stopped else None)
    since = memory.waiting_since if memory.waiting_since is not None else seen.at
    return replace(memory, waiting_since=since if awaited(memory, seen) else None)
