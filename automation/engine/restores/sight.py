"""What a pass of a restore looks at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from automation.core.cluster import Instance, InstanceState, NodeGroup, OwnView, Target, TargetState
from automation.core.restores.decide import awaited
from automation.core.restores.memory import Memory, Sight
from automation.ports.restoring import Restoring

_OUT = frozenset({TargetState.DRAINING, TargetState.UNUSED})
"""States of a machine that was taken out."""


def look(at: Restoring, memory: Memory) -> Sight:
    """Observe the machines; each node is asked itself, because nobody may serve for it now."""
    group = at.group.observe()
    if not memory.suspended:
        return Sight(at.clock.now(), group)
    views = {i.id: at.nodes.view(i.address) for i in group.instances if i.address}
    statuses = {id_: view.status for id_, view in views.items()}
    if memory.activated is None or memory.calling_off:
        return Sight(at.clock.now(), group, statuses)
    targets, groups = at.balancer.targets(), frozenset(at.balancer.groups())
    healthy = _in_all(groups, (target for target in targets if target.state is TargetState.HEALTHY))
    running = _running(group, views)
    return Sight(
        at=at.clock.now(),
        group=group,
        statuses=statuses,
        serving=_together([instance for instance in running if instance.id in healthy], views),
        joined=_together(running, views),
        registered=_in_all(groups, (target for target in targets if target.state not in _OUT)),
        capabilities=at.capabilities,
    )


def _running(group: NodeGroup, views: Mapping[str, OwnView]) -> list[Instance]:
    return [
        instance
        for instance in group.instances
        if instance.state is InstanceState.IN_SERVICE
        and instance.id in views
        and views[instance.id].status == "RUNNING"
    ]


def _together(running: Collection[Instance], views: Mapping[str, OwnView]) -> frozenset[str]:
    """Return who sees all the others of these: two halves are no cluster."""
    addresses = {i.address for i in running}
    return frozenset(i.id for i in running if addresses <= (views[i.id].members or frozenset[str]()))


def _in_all(groups: frozenset[str], targets: Iterable[Target]) -> frozenset[str]:
    """Return the instances that these targets name in every group."""
    by_instance: dict[str, set[str]] = {}
    for target in targets:
        by_instance.setdefault(target.instance, set()).add(target.group)
    return frozenset(instance for instance, seen in by_instance.items() if seen >= groups)


def note(memory: Memory, seen: Sight) -> Memory:
    """Keep since when what is waited for; who is started again is waited for since its start."""
    if memory.calling_off:
        return memory
    if memory.activated is None:
        since = memory.stopping_since if memory.stopping_since is not None else seen.at
        return replace(memory, stopping_since=since if memory.stopped else None)
    since = memory.waiting_since if memory.waiting_since is not None else seen.at
    return replace(memory, waiting_since=since if awaited(memory, seen) else None)
