"""A small pure cloud of the other kind: machines that are renewed in their places, and pools of addresses.

Semantics follow Azure where the engine can notice them (facts: clouds, part B): the model reaches a machine only when
it is applied to it and the machine is reimaged; a reimaged machine keeps its number and its address and is another one
all the same; deleting lowers the capacity; only autoscale makes machines by itself; nothing is registered by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from automation.core.cluster import InstanceState, Target, TargetState
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import NodeSpec
from lab.sim.cloud import Cloud, Machine
from lab.sim.gateway import FAILED, HTTP, SSH, UPDATING, Gateway, Update
from lab.sim.settings import SimSettings

AUTOSCALE = "Autoscale"


class ScaleSet(Cloud):
    """The estate's machines in a scale set."""

    disturbing = frozenset({AUTOSCALE})

    def __init__(self, settings: SimSettings, bitbucket: Cluster, random: Random) -> None:
        super().__init__(settings, bitbucket, random)
        self.gateway = Gateway()
        self.ordered = settings.nodes
        """Machines that are still to be made."""
        self.dooms: list[bool] = []
        """The next reimagings that are accepted and fail; True: the old Bitbucket starts again after it."""
        self.cut: Callable[[], None] = lambda: None
        """Called before anybody waits for an operation: may let him die, or lose the cloud."""
        self._numbers = 0
        self._settling = True

    # -- life -----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Let what is due happen; the gateway's update too."""
        if self.gateway.end(now):
            self._sync(now)
        super().tick(now)

    def next_event(self) -> float | None:
        """Return when something changes by itself next."""
        dues = (super().next_event(), self.gateway.update.due if self.gateway.update else None)
        return min((due for due in dues if due is not None), default=None)

    def settled(self) -> None:
        """Take the first machines into the pools, as after a first deployment; nobody is taken in from then on."""
        self._settling = False

    def _end_of_state(self, machine: Machine, now: float) -> None:
        if machine.state is InstanceState.PENDING:
            machine.due, machine.state = None, InstanceState.IN_SERVICE
            self._admit_the_first(machine, now)
            machine.registered = set(self.gateway.holding(machine.address))
            self.bitbucket.boot(NodeSpec(machine.id, machine.address, machine.version), now)
        elif machine.renewing:
            self._renewed(machine, now)
        else:
            super()._end_of_state(machine, now)

    def _admit_the_first(self, machine: Machine, now: float) -> None:
        if self._settling:
            self.gateway.pools[SSH].add(machine.address)
            self.gateway.write([*self.gateway.wanted, machine.address], {}, now=now, lasts=0.0)
            self.gateway.end(now)

    def _renewed(self, machine: Machine, now: float) -> None:
        """End a reimaging: another disk, or the old one where it failed."""
        self.bitbucket.kill(machine.id, now)
        machine.renewing = False
        if self.dooms:
            machine.state, machine.due = InstanceState.IN_SERVICE, None
            if self.dooms.pop(0):
                self.bitbucket.boot(NodeSpec(machine.id, machine.address, machine.version), now)
            return
        del self.machines[machine.id]
        number = machine.id.partition("-")[0]
        fresh = self._made(number, machine.address, machine.applied, now)
        fresh.registered, fresh.draining = machine.registered, machine.draining

    def _mend(self, now: float) -> None:
        """Make what was ordered; and what autoscale's minimum asks for, where nobody has switched that off."""
        if AUTOSCALE not in self.suspended and self.desired < self.minimum:
            self.order(self.minimum)
        while self.ordered > 0:
            self.ordered -= 1
            self.launch(now)

    def launch(self, now: float) -> Machine:
        """Make one machine of the current model, with the lowest address that is free."""
        used = {machine.address for machine in self.machines.values()}
        address = next(a for n in range(4, 250) if (a := f"10.0.0.{n}") not in used)
        number, self._numbers = self._numbers, self._numbers + 1
        machine = self._made(str(number), address, self.model, now)
        if now < self.launch_blocked_until:  # the instance is there, and its provisioning has failed
            machine.is_off, machine.state, machine.due = True, InstanceState.UNKNOWN, None
        return machine

    def _made(self, number: str, address: str, version: str, now: float) -> Machine:
        self.launches += 1
        machine = Machine(f"{number}-{self.launches:08x}", address, version, now, applied=version)
        machine.due = now + self.settings.launch
        self.machines[machine.id] = machine
        return machine

    def disturb(self, now: float) -> None:
        """Let autoscale interfere where nobody has switched it off: one machine more, or one less."""
        if AUTOSCALE in self.suspended:
            return
        if self.desired < self.maximum:
            self.order(self.desired + 1)
        elif self.desired > self.minimum:
            self.terminate(self.random.choice(self.staying()), now)

    def empty_the_pools(self) -> None:
        """Leave every machine out of the balancer, as a first deployment does."""
        self.gateway.wanted = ()
        self.gateway.pools = {HTTP: set(), SSH: set()}
        for machine in self.machines.values():
            machine.registered = set()

    # -- acts -----------------------------------------------------------------------------------------------------

    def order(self, desired: int) -> None:
        """Raise the capacity."""
        self.ordered += max(desired - self.desired, 0)
        self.desired = desired

    def terminate(self, machine: Machine, now: float) -> None:
        """Delete a machine: the capacity goes down with it, and its address stays in the pools."""
        if machine.state is InstanceState.TERMINATING and not machine.renewing:
            return
        self.desired -= 1
        machine.renewing = False
        machine.state, machine.due = InstanceState.TERMINATING, now + self.settings.terminate
        self.bitbucket.stop(machine.id, now, drain=1.0, terminate=1.0)

    def reimage(self, machine: Machine, now: float) -> None:
        """Begin to exchange a machine's disk."""
        machine.state, machine.due, machine.renewing = InstanceState.TERMINATING, now + self.settings.reimage, True
        self.bitbucket.stop(machine.id, now, drain=1.0, terminate=1.0)

    def power_off(self, machine: Machine, now: float) -> None:
        """Let a host fail: the machine is listed on, and does not run."""
        self.bitbucket.kill(machine.id, now)
        machine.is_off, machine.state, machine.due, machine.renewing = True, InstanceState.UNKNOWN, None, False

    def repair(self, machine: Machine, now: float) -> None:
        """Do what a person does about a broken machine: delete it, and have another one."""
        desired = self.desired
        self.terminate(machine, now)
        self.order(desired)
        self.tick(now)

    def let_in(self, now: float) -> None:
        """Do what a person does about machines that are in no pool: put all that run into both."""
        self.dooms, self.gateway.dooms = [], []
        running = [m.address for m in self.staying() if not m.is_off]
        if set(running) - set(self.gateway.wanted) or self.gateway.state == FAILED:
            self.gateway.write(running, {}, now=now, lasts=0.0)
        self.gateway.pools[SSH] |= set(running)
        self.gateway.end(now)
        self._sync(now)

    def leave_ssh(self, machine: Machine, now: float) -> None:
        """Take a machine out of the pool for SSH: done at once."""
        self.gateway.pools[SSH].discard(machine.address)
        self._sync(now)

    def join_ssh(self, machine: Machine, now: float) -> None:
        """Put a machine into the pool for SSH."""
        self.gateway.pools[SSH].add(machine.address)
        self._sync(now)

    def write_gateway(self, machine: Machine, now: float, *, out: bool) -> Update:
        """Begin to take a machine out of the gateway's pool, or to put it in."""
        gateway = self.gateway
        others = [address for address in gateway.wanted if address != machine.address]
        known = {name: since for name, since in gateway.taken_out.items() if name != machine.id}
        wanted, taken_out = (others, known | {machine.id: now}) if out else ([*others, machine.address], known)
        return gateway.write(wanted, taken_out, now=now, lasts=self.settings.gateway)

    def _sync(self, now: float) -> None:
        """Let the machines follow the pools: what was taken out drains, what was put in does not."""
        for machine in self.machines.values():
            held = set(self.gateway.holding(machine.address))
            for pool in machine.registered - held:
                machine.draining[pool] = now + self.settings.deregistration
            machine.draining = {pool: end for pool, end in machine.draining.items() if pool not in held}
            machine.registered = held

    # -- what can be seen -----------------------------------------------------------------------------------------

    def _targets_of(self, machine: Machine, now: float) -> list[Target]:
        healthy = TargetState.HEALTHY if self.is_healthy(machine, now) else TargetState.UNHEALTHY
        states = (HTTP, self._http(machine, healthy)), (SSH, self._ssh(machine, healthy))
        return [Target(machine.id, pool, state) for pool, state in states if state is not None]

    def _http(self, machine: Machine, healthy: TargetState) -> TargetState | None:
        """Say what the gateway does; where an update has failed, not what its document says."""
        gateway, asked = self.gateway, machine.address in self.gateway.wanted
        if machine.address in gateway.pools[HTTP] and (asked or gateway.state == FAILED):
            return healthy
        if asked and gateway.state != FAILED:
            return TargetState.INITIAL
        updating = gateway.state == UPDATING and machine.id in gateway.taken_out
        return TargetState.DRAINING if updating or HTTP in machine.draining else None

    def _ssh(self, machine: Machine, healthy: TargetState) -> TargetState | None:
        if machine.address in self.gateway.pools[SSH]:
            return healthy
        return TargetState.DRAINING if SSH in machine.draining else None
