"""Read the world once into one immutable observation."""

from __future__ import annotations

from automation.core.cluster import Cluster, NodeGroup, Observation
from automation.core.roll import Memory
from automation.core.versions import same_version
from automation.ports.world import World


def observe(world: World, memory: Memory | None = None) -> Observation:
    """Read group, targets, cluster and, where a node is not a proven member, the node itself.

    Raises:
        BbdcError: some side could not be read; nothing is half observed.
    """
    group = world.group.observe()
    cluster = world.bitbucket.cluster()
    targets = world.balancer.targets()
    views = {i: world.nodes.view(a) for i, a in _to_ask(group, cluster, memory)}
    outdated = [i.id for i in group.instances if memory and not same_version(i.version, memory.plan.target)]
    return Observation(
        at=world.clock.now(),
        cluster=cluster,
        group=group,
        targets=targets,
        capabilities=world.capabilities,
        target_groups=world.balancer.groups(),
        views=views,
        cpu=world.metrics.cpu(outdated) if outdated and _counts_missing(cluster) else {},
    )


def _to_ask(group: NodeGroup, cluster: Cluster, memory: Memory | None) -> list[tuple[str, str]]:
    """Choose the nodes that must speak for themselves: all that are not plain ACTIVE members already."""
    active = {node.address for node in cluster.nodes if node.state == "ACTIVE"}
    ask = []
    for instance in group.instances:
        new = memory is not None and same_version(instance.version, memory.plan.target)
        sure = instance.address in active and not (new and memory and instance.id not in memory.proven)
        if instance.address and not sure:
            ask.append((instance.id, instance.address))
    return ask


def _counts_missing(cluster: Cluster) -> bool:
    """CPU orders the nodes only where this version of Bitbucket does not count tasks and users."""
    return any(node.tasks is None or node.users is None for node in cluster.nodes if node.state == "ACTIVE")
