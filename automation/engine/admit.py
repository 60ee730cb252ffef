"""Put joined nodes into the balancer where the cloud does not do that by itself: after the first deployment.

A roll does the same with every node that it has renewed; here nobody is replaced and nothing is upgraded.
"""

from __future__ import annotations

from automation.core.cluster import Instance, InstanceState, OwnView, TargetState
from automation.ports.errors import Unavailable
from automation.ports.world import World

_UP = {"RUNNING", "FIRST_RUN"}
"""FIRST_RUN: nobody has set Bitbucket up yet, and somebody must be able to reach it for that."""
_OUT = {TargetState.DRAINING, TargetState.UNUSED}


def admit(world: World, *, planned: int | None, timeout: float, poll: float) -> tuple[str, ...]:
    """Wait until every planned node has joined, and register those that are in no balancer; return their ids.

    Args:
        world: the estate.
        planned: nodes of the whole cluster; None takes the group's desired capacity.
        timeout: longest wait, in seconds.
        poll: pause between two looks, in seconds.

    Raises:
        Unavailable: fewer nodes than planned joined in time; those that did are registered.
    """
    if world.capabilities.registers_by_itself:
        return ()
    deadline, admitted = world.clock.now() + timeout, list[str]()
    while True:
        group = world.group.observe()
        joined = _joined(world, group.instances)
        admitted += _register(world, joined)
        wanted = group.desired if planned is None else planned
        if len(joined) >= wanted:
            return tuple(admitted)
        if world.clock.now() >= deadline:
            message = f"{len(joined)} of {wanted} nodes have joined after {timeout:g} s"
            raise Unavailable(message, hint="see the log of the node that is missing; then run it again")
        world.clock.sleep(poll)


def _joined(world: World, instances: tuple[Instance, ...]) -> list[Instance]:
    """Return the nodes that run and see all others that run: two halves are no cluster."""
    views: dict[str, OwnView] = {}
    for instance in instances:
        if instance.state is InstanceState.IN_SERVICE and instance.address:
            views[instance.id] = world.nodes.view(instance.address)
    up = [i for i in instances if i.id in views and views[i.id].status in _UP]
    addresses = {i.address for i in up}
    return [i for i in up if (seen := views[i.id].members) is None or addresses <= seen]


def _register(world: World, joined: list[Instance]) -> list[str]:
    groups, known = set(world.balancer.groups()), dict[str, set[str]]()
    for target in world.balancer.targets():
        if target.state not in _OUT:
            known.setdefault(target.instance, set()).add(target.group)
    missing = [instance.id for instance in joined if not known.get(instance.id, set()) >= groups]
    for instance in missing:
        world.balancer.register(instance)
    return missing
