"""What must hold whatever happens: checked at every act against the true world, not against the engine's view."""

from __future__ import annotations

from collections import Counter

from automation.core.cluster import InstanceState
from lab.bitbucket.records import State, Upgrade
from lab.sim.cloud import Cloud, Machine


class InvariantBroken(AssertionError):
    """The engine did what it must never do."""


class Witness:
    """Counts what was done, and objects at once when an invariant breaks."""

    def __init__(self, floor: int) -> None:
        self.floor = floor
        """Nodes that must go on serving when one is taken out."""
        self.done: Counter[tuple[str, str]] = Counter()
        """Effects by act and instance: calls that changed the world."""

    def did(self, act: str, instance: str = "") -> None:
        """Count one effect."""
        self.done[act, instance] += 1

    def count(self, act: str) -> int:
        """Return how often an act changed the world."""
        return sum(n for (name, _), n in self.done.items() if name == act)

    def takes(self, cloud: Cloud, machine: Machine, now: float) -> None:
        """Object when a node is taken from its users while too few others serve, or another one is under way."""
        if not cloud.is_serving(machine, now) or self._alone(cloud, machine):
            return
        others = [m for m in cloud.staying() if m is not machine]
        serving = sum(cloud.is_serving(m, now) for m in others)
        if serving < self.floor:
            raise InvariantBroken(f"{machine.id} was taken while only {serving} others serve; {self.floor} must")
        moving = [m.id for m in others if m.draining or m.state is InstanceState.PENDING]
        if moving:
            raise InvariantBroken(f"{machine.id} was taken while {moving} are under way")

    def stops(self, cloud: Cloud, machine: Machine, now: float) -> None:
        """Object when Bitbucket is stopped under its users: while registered, or while requests may be open."""
        if self._alone(cloud, machine):
            return
        node = cloud.bitbucket.nodes.get(machine.id)
        well = node is not None and not node.dead and node.state is State.ACTIVE
        if well and (machine.registered or any(end > now for end in machine.draining.values())):
            raise InvariantBroken(f"{machine.id} was stopped before it had drained")

    def lets_in(self, cloud: Cloud, machine: Machine) -> None:
        """Object when users are sent to a machine that has never been a member of the cluster that they use."""
        node = cloud.bitbucket.nodes.get(machine.id)
        if node is not None and not node.dead and (node.active_since is None or self._alone(cloud, machine)):
            raise InvariantBroken(f"{machine.id} was put into the balancer before it had joined")

    def changes_model(self, cloud: Cloud) -> None:
        """Object when the model changes while upgrade mode is off: a machine born now could not join."""
        if cloud.bitbucket.window is None:
            raise InvariantBroken("the model was changed while upgrade mode is off")

    def approves(self, cloud: Cloud, now: float) -> None:
        """Object when the point of no return is passed with a node missing, silent, sick or old."""
        nodes = [n for n in cloud.bitbucket.nodes.values() if n.spec.id in cloud.machines]
        bad = [n.spec.id for n in cloud.bitbucket.nodes.values() if n.dead or n.state is not State.ACTIVE]
        old = [n.spec.id for n in nodes if n.spec.version != cloud.model]
        missing = len(nodes) != cloud.settings.nodes or cloud.bitbucket.is_split
        ready = cloud.bitbucket.upgrade_state() is Upgrade.READY_TO_RUN_UPGRADE_TASKS
        unwell = [m.id for m in cloud.machines.values() if not cloud.is_serving(m, now)]
        if ready and (bad or old or missing or unwell):
            raise InvariantBroken(f"approved with bad={bad} old={old} unwell={unwell} live={len(nodes)}")

    @staticmethod
    def _alone(cloud: Cloud, machine: Machine) -> bool:
        """Tell whether the node stands outside the cluster that must live: the largest, of equals the longest active.

        Two clusters on one database damage it; whoever does not belong to that one has to go, users or not.
        """
        sizes: dict[int, tuple[int, float]] = {}
        for node in cloud.bitbucket.nodes.values():
            if node.state is State.ACTIVE and not node.dead:
                count, since = sizes.get(node.island, (0, 0.0))
                sizes[node.island] = (count + 1, max(since, -(node.active_since or 0.0)))
        node_here = cloud.bitbucket.nodes.get(machine.id)
        return bool(sizes) and node_here is not None and node_here.island != max(sizes, key=lambda i: sizes[i])
