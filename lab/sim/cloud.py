"""A small pure cloud: machines, one auto-scaling group, its target groups. Every method takes ``now``.

Semantics follow AWS where the engine can notice them (facts: clouds, part A): replacements come from the group's
current model, suspended processes are honoured, a target stays ``draining`` until the deregistration delay is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from automation.core.cluster import Instance, InstanceState, NodeGroup, Target, TargetState
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import NodeSpec, State
from lab.sim.settings import SimSettings


@dataclass(slots=True, eq=False)
class Machine:
    """One virtual machine with a life of its own."""

    id: str
    address: str
    version: str
    launched: float
    state: InstanceState = InstanceState.PENDING
    due: float | None = None
    """When ``state`` ends by itself."""
    draining: dict[str, float] = field(default_factory=dict)
    """End of the deregistration delay by target group; a group that is absent here is registered or not listed."""
    registered: set[str] = field(default_factory=set)
    commandable: bool = True
    """False: its agent is not connected."""
    stops: set[str] = field(default_factory=set)
    """Keys of the graceful stops that it was told."""
    is_off: bool = False
    """It is there and does not run."""
    applied: str = ""
    """Renewed in place: version of the model that its next disk is made from."""
    renewing: bool = False
    """Renewed in place: it is on its way out because its disk is exchanged."""


class Cloud:
    """The estate's machines; Bitbucket on them is the lab's model."""

    disturbing = frozenset({"AZRebalance", "AlarmNotification", "ScheduledActions", "ReplaceUnhealthy"})
    """Processes that could take a node during a roll."""

    def __init__(self, settings: SimSettings, bitbucket: Cluster, random: Random) -> None:
        self.settings, self.bitbucket, self.random = settings, bitbucket, random
        self.machines: dict[str, Machine] = {}
        self.model = settings.version
        self.desired = self.minimum = settings.nodes
        self.maximum = settings.nodes + 1
        self.suspended: set[str] = set()
        self.launches = 0
        """Machines ever launched."""
        self.launch_blocked_until = 0.0
        """No capacity in the zone until then."""

    # -- life -----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Let everything that is due happen, then let the group mend itself."""
        self.bitbucket.tick(now)
        for machine in list(self.machines.values()):
            machine.draining = {g: end for g, end in machine.draining.items() if end > now}
            if machine.due is not None and machine.due <= now:
                self._end_of_state(machine, machine.due)
        self._mend(now)

    def next_event(self) -> float | None:
        """Return when something changes by itself next."""
        dues = [m.due for m in self.machines.values() if m.due is not None]
        dues += [end for m in self.machines.values() for end in m.draining.values()]
        own = self.bitbucket.next_event()
        return min([*dues, own] if own is not None else dues, default=None)

    def _end_of_state(self, machine: Machine, now: float) -> None:
        machine.due = None
        if machine.state is InstanceState.PENDING:
            machine.state = InstanceState.IN_SERVICE
            machine.registered = set(self.settings.target_groups)
            self.bitbucket.boot(NodeSpec(machine.id, machine.address, machine.version), now)
        elif machine.state is InstanceState.TERMINATING:
            self.bitbucket.kill(machine.id, now)
            del self.machines[machine.id]

    def _mend(self, now: float) -> None:
        if "Launch" in self.suspended or now < self.launch_blocked_until:
            return
        while len(self.staying()) < self.desired:
            self.launch(now)

    def launch(self, now: float) -> Machine:
        """Launch one machine of the current model."""
        self.launches += 1
        number = self.launches
        machine = Machine(f"i-{number:04}", f"10.0.{number // 250}.{4 + number % 250}", self.model, now)
        machine.due = now + self.settings.launch
        self.machines[machine.id] = machine
        return machine

    def disturb(self, now: float) -> None:
        """Let the group's own processes interfere where nobody has suspended them."""
        if "AZRebalance" not in self.suspended:
            self.terminate(self.random.choice(self.staying()), now)

    def staying(self) -> list[Machine]:
        """Return the machines that are not on their way out."""
        return [m for m in self.machines.values() if m.state is not InstanceState.TERMINATING]

    # -- acts -----------------------------------------------------------------------------------------------------

    def order(self, desired: int) -> None:
        """Set the capacity."""
        self.desired = desired

    def terminate(self, machine: Machine, now: float) -> None:
        """Begin to take a machine away: out of the target groups, a shutdown, then power off."""
        self.deregister(machine, now)
        machine.state, machine.due = InstanceState.TERMINATING, now + self.settings.terminate
        self.bitbucket.stop(machine.id, now, drain=1.0, terminate=1.0)

    def repair(self, machine: Machine, now: float) -> None:
        """Do what a person does about a broken machine: the group makes another one."""
        self.terminate(machine, now)

    def let_in(self, now: float) -> None:
        """Do what a person does about machines that are in no balancer: here the group has seen to it."""

    def deregister(self, machine: Machine, now: float) -> None:
        """Begin to drain a machine in every target group it is registered in."""
        for group in machine.registered:
            machine.draining[group] = now + self.settings.deregistration
        machine.registered = set()

    # -- what can be seen -----------------------------------------------------------------------------------------

    def is_healthy(self, machine: Machine, now: float) -> bool:
        """Tell what the balancer's health check says: /status 200, whatever its body (as on AWS)."""
        status = self.bitbucket.status(machine.id, now)
        node = self.bitbucket.nodes.get(machine.id)
        if status is None or status.status != 200 or node is None or node.active_since is None:
            return False
        return now - node.active_since >= self.settings.check

    def is_serving(self, machine: Machine, now: float) -> bool:
        """Tell whether users' requests go there and are answered."""
        node = self.bitbucket.nodes.get(machine.id)
        active = node is not None and node.state is State.ACTIVE and not node.dead
        return active and machine.registered == set(self.settings.target_groups) and self.is_healthy(machine, now)

    def targets(self, now: float) -> tuple[Target, ...]:
        """Return every registration, draining ones included."""
        return tuple(t for m in self.machines.values() for t in self._targets_of(m, now))

    def _targets_of(self, machine: Machine, now: float) -> list[Target]:
        state = TargetState.HEALTHY if self.is_healthy(machine, now) else TargetState.UNHEALTHY
        listed = [Target(machine.id, group, state) for group in sorted(machine.registered)]
        return listed + [Target(machine.id, group, TargetState.DRAINING) for group in sorted(machine.draining)]

    def group(self) -> NodeGroup:
        """Return the group as the port shows it."""
        return NodeGroup(
            name="sim",
            desired=self.desired,
            minimum=self.minimum,
            maximum=self.maximum,
            version=self.model,
            instances=tuple(
                Instance(m.id, m.address, m.state, m.version, launched=m.launched) for m in self.machines.values()
            ),
            suspended=frozenset(self.suspended),
        )
