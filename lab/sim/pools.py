"""The ports of a node group that is renewed in its place, and of pools of addresses, over the simulated scale set.

Operations that take their time are waited for inside the call, as the real adapters do; whoever waits may be cut off
(``ScaleSet.cut``), and the operation goes on without him.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from automation.core.cluster import InstanceState
from automation.core.versions import same_version
from automation.ports.clock import Clock
from automation.ports.errors import Conflict, Unavailable
from automation.ports.world import World
from lab.sim.cloud import Machine
from lab.sim.gateway import CANCELED, FAILED, HTTP, SSH, Update
from lab.sim.ports import SimBalancer, SimGroup
from lab.sim.scale_set import ScaleSet
from lab.sim.witness import Witness


@dataclass
class SimScaleSet(SimGroup):
    """Port Group over the simulated scale set."""

    cloud: ScaleSet

    def replace(self, instance: str, version: str | None) -> None:
        """Apply the model and reimage; a machine that does not run is exchanged for a new one."""
        machine = self._must_go(instance, version)
        if machine is None:
            return
        self.witness.takes(self.cloud, machine, self.clock.now())
        if machine.is_off:
            self._exchange(machine)
            return
        if not same_version(machine.applied, self.cloud.model):
            self._apply(machine)
        if self._must_go(instance, version) is machine:
            self.cloud.reimage(machine, self.clock.now())
            self.witness.did("replace", instance)

    def retire(self, instance: str, version: str | None) -> None:
        """Delete the machine, and the capacity with it."""
        machine = self._must_go(instance, version)
        if machine is not None:
            self.witness.takes(self.cloud, machine, self.clock.now())
            self.cloud.terminate(machine, self.clock.now())
            self.witness.did("retire", instance)

    def resize(self, desired: int, *, observed: int) -> None:
        """Set the capacity."""
        if self.cloud.desired == desired:
            return
        if self.cloud.desired != observed:
            raise Conflict(f"desired capacity is {self.cloud.desired}, not {observed}")
        self.cloud.maximum = max(self.cloud.maximum, desired)
        self.cloud.order(desired)
        self.cloud.tick(self.clock.now())
        self.witness.did("resize")

    def _must_go(self, instance: str, version: str | None) -> Machine | None:
        machine = self.cloud.machines.get(instance)
        if machine is None or machine.state is InstanceState.TERMINATING:
            return None
        if version is not None and not same_version(machine.version, version):
            raise Conflict(f"{instance} carries {machine.version}, not {version}")
        return machine

    def _apply(self, machine: Machine) -> None:
        """Apply the model to one machine, and wait."""
        model = self.cloud.model
        machine.applied = model
        self.cloud.cut()
        self.clock.sleep(self.cloud.settings.model)

    def _exchange(self, machine: Machine) -> None:
        """Delete a machine, wait until it is gone, and have a new one."""
        desired, now = self.cloud.desired, self.clock.now()
        self.cloud.terminate(machine, now)
        self.witness.did("replace", machine.id)
        self.cloud.cut()
        self.clock.sleep(self.cloud.settings.terminate)
        if self.cloud.desired < desired:
            self.cloud.order(desired)
            self.cloud.tick(self.clock.now())


@dataclass
class SimPools(SimBalancer):
    """Port Balancer over the simulated pools of addresses."""

    cloud: ScaleSet

    def deregister(self, instance: str) -> None:
        """Take the machine out of both pools, and wait for the gateway."""
        machine = self.cloud.machines.get(instance)
        if machine is None:
            return
        gateway = self.cloud.gateway
        half_done = gateway.state == FAILED and instance in gateway.taken_out
        if machine.registered or machine.address in gateway.wanted:
            self.witness.takes(self.cloud, machine, self.clock.now())
        if SSH in machine.registered:
            self.cloud.leave_ssh(machine, self.clock.now())
        if machine.address in gateway.wanted or half_done:
            self.witness.did("deregister", instance)
            self._finish(self.cloud.write_gateway(machine, self.clock.now(), out=True))

    def register(self, instance: str) -> None:
        """Put the machine into both pools, and wait for the gateway."""
        machine = self.cloud.machines.get(instance)
        if machine is None:
            return
        gateway = self.cloud.gateway
        self.witness.lets_in(self.cloud, machine)
        if machine.address not in gateway.pools[SSH]:
            self.cloud.join_ssh(machine, self.clock.now())
        if machine.address not in gateway.wanted or gateway.state == FAILED:
            self.witness.did("register", instance)
            self._finish(self.cloud.write_gateway(machine, self.clock.now(), out=False))

    def _finish(self, update: Update) -> None:
        """Wait for an update of the gateway.

        Raises:
            Unavailable: it failed half-way.
            Conflict: somebody's newer update has taken its place.
        """
        self.cloud.cut()
        self.clock.sleep(update.due - self.clock.now())
        if update.state == FAILED:
            raise Unavailable(f"the update of the gateway's pool {HTTP} failed: InternalServerError")
        if update.state == CANCELED:
            raise Conflict("CanceledAndSupersededDueToAnotherOperation")


def in_place(world: World, cloud: ScaleSet, clock: Clock, witness: Witness) -> World:
    """Return the ports of an estate whose machines are renewed in their places."""
    return replace(
        world,
        group=SimScaleSet(cloud, clock, witness),
        balancer=SimPools(cloud, clock, witness),
        capabilities=cloud.settings.capabilities,
    )
