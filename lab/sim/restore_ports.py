"""The ports of a restore over the pure world, with every way in which a process can die in the middle."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

from automation.core.backups.sets import BackupSet
from automation.core.cluster import InstanceState, NodeGroup, OwnView, Target, TargetState
from automation.core.restores.generations import DataState, Generation
from automation.core.restores.memory import Memory
from automation.engine.restores import home
from automation.ports.cloud import Problem
from automation.ports.errors import Conflict, NotFound
from automation.ports.restoring import Restoring
from automation.ports.shell import Result
from lab.sim.chaos import Chaos, _Wire
from lab.sim.restores import Data, RestoreWorld
from lab.sim.vaults import SimManifests

FILE_SERVER = "fs"
HOME, SERVICE = "/srv/bitbucket-dc/shared", "bitbucket"


class Died(BaseException):
    """The process was killed here."""


@dataclass
class SimRestoreGroup:
    """Port Group."""

    world: RestoreWorld
    between: Callable[[str], None] = lambda _: None
    """Called between the two steps of an act that has two."""

    def observe(self) -> NodeGroup:
        """Read the group."""
        return self.world.group()

    def replace(self, instance: str, version: str | None) -> None:
        """Terminate, and the group launches a successor; or renew it in its place; or exchange what is off."""
        machine = self.world.machines.get(instance)
        if machine is None or machine.state is InstanceState.TERMINATING:
            return
        if version not in {None, "7.9.0"}:
            raise Conflict(f"{instance} carries 7.9.0, not {version}")
        self.world.orders_a_successor()
        if not self.world.in_place:
            self.world.terminate(machine)
        elif machine.state is InstanceState.UNKNOWN:
            self.world.lose(machine)
            self.between("deleted")
            self.world.desired += 1
        else:
            machine.applied = self.world.model
            self.between("applied")
            self.world.renew(machine)

    def suspend(self, processes: Collection[str]) -> None:
        """Switch processes off."""
        self.world.switch(processes, on=False)

    def resume(self, processes: Collection[str]) -> None:
        """Switch processes on."""
        self.world.switch(processes, on=True)

    def disturbing(self) -> frozenset[str]:
        """What could take a node."""
        return self.world.disturbing

    def retire(self, instance: str, version: str | None) -> None:
        """Refuse: a restore has no use for it."""
        raise NotImplementedError(instance, version)

    def resize(self, desired: int, *, observed: int) -> None:
        """Want another number of machines."""
        if not self.world.in_place:
            raise NotImplementedError(desired, observed)
        if self.world.desired not in {desired, observed}:
            raise Conflict(f"the capacity is {self.world.desired}, not {observed}")
        self.world.desired = desired

    def limit(self, minimum: int, maximum: int) -> None:
        """Refuse: a restore has no use for it."""
        raise NotImplementedError(minimum, maximum)

    def set_version(self, version: str, *, observed: str | None) -> None:
        """Refuse: a restore has no use for it."""
        raise NotImplementedError(version, observed)

    def problems(self, *, surge: int) -> tuple[Problem, ...]:
        """Refuse: a restore has no use for it."""
        raise NotImplementedError(surge)


@dataclass
class SimRestoreNodes:
    """Port Nodes: each node for itself."""

    world: RestoreWorld

    def view(self, address: str) -> OwnView:
        """Ask the node at an address."""
        node = next((m for m in self.world.machines.values() if m.address == address), None)
        if node is None or node.unit in {"absent", "stopped"}:
            return OwnView(None, None)
        if node.unit != "running":
            return OwnView("STARTING" if node.unit == "starting" else "ERROR", None)
        return OwnView("RUNNING", frozenset(m.address for m in self.world.machines.values() if m.unit == "running"))


@dataclass
class SimRestoreBalancer:
    """Port Balancer."""

    world: RestoreWorld

    def targets(self) -> tuple[Target, ...]:
        """Every registration."""
        well = {m.id for m in self.world.serving()}
        state = {True: TargetState.HEALTHY, False: TargetState.UNHEALTHY}
        return tuple(Target(m.id, g, state[m.id in well]) for m in self.world.registered() for g in self.groups())

    def groups(self) -> tuple[str, ...]:
        """All target groups."""
        return ("http", "ssh")

    def deregister(self, instance: str) -> None:
        """Refuse: a restore has no use for it."""
        raise NotImplementedError(instance)

    def register(self, instance: str) -> None:
        """Put an address into the pool; those of machines that are gone leave it."""
        if not self.world.in_place:
            raise NotImplementedError(instance)
        held = {machine.address for machine in self.world.machines.values()}
        node = self.world.machines.get(instance)
        self.world.pool = (self.world.pool & held) | ({node.address} if node else set())
        self.world.clock.sleep(5.0)


@dataclass
class SimProgram:
    """Port Program: a stack whose update can be killed between any two of its steps."""

    world: RestoreWorld
    between: Callable[[str], None] = lambda _: None
    """Called after each step of an update."""

    def data(self) -> DataState:
        """Return what the config declares."""
        return DataState(self.world.wanted, tuple(self.world.declared.values()))

    def version(self) -> str:
        """Return the version of new nodes."""
        return "7.9.0"

    def declare(self, generation: Generation) -> None:
        """Write the config, and update."""
        there = self.world.declared.setdefault(generation.name, generation)
        if there != generation:
            raise Conflict(f"data {generation.name} is made from something else")
        self.between("config")
        self._up()

    def activate(self, name: str) -> None:
        """Write the config, and update."""
        if name not in self.data().there:
            raise NotFound(f"the stack declares no data called {name}")
        if self.world.wanted != name:
            self.world.want(name)
        self.between("config")
        self._up()

    def _up(self) -> None:
        """Bring about what the config says, as ``pulumi up`` does: what is so already is left alone."""
        world = self.world
        for name in world.declared:
            if name not in world.data:
                world.clock.sleep(world.pace.create)
                world.data[name] = Data(home=50, rows=50, locks=1)
                self.between("data")
        if world.attached != world.wanted:
            world.clock.sleep(1.0)
            world.attach(world.wanted)
            self.between("disks")
        world.clock.sleep(5.0)
        world.model = world.wanted
        self.between("model")


@dataclass
class SimShell:
    """Port Shell: knows the scripts of a restore, and no others."""

    world: RestoreWorld

    def file_server(self) -> str:
        """Return the file server."""
        return FILE_SERVER

    def run(self, machine: str, script: str, *, timeout: float) -> Result:
        """Carry a script out."""
        del timeout
        if machine == FILE_SERVER:
            return self._on_server(script)
        node = self.world.machines.get(machine)
        if node is None or not node.commandable or node.state is not InstanceState.IN_SERVICE:
            raise NotFound(f"machine {machine} cannot be commanded")
        if script == home.stop(SERVICE):
            return self._stop(machine)
        if script == home.start(SERVICE):
            node.held = False
            if node.unit != "absent":
                self.world.start(node)
            return Result(0, "started\n")
        if script != ":":
            raise NotImplementedError(script)
        return Result(0, "")

    def _on_server(self, script: str) -> Result:
        if script == ":":
            return Result(0, "")
        data = self.world.disk_in_use()
        if script == home.prepare(HOME):
            data.locks, data.checking = 0, True
        elif script == home.end_checking(HOME):
            data.checking = False
        else:
            raise NotImplementedError(script)
        return Result(0, "")

    def _stop(self, machine: str) -> Result:
        node = self.world.machines[machine]
        node.held = True
        if self.world.hanging_stops:
            self.world.hanging_stops -= 1
            return Result(1, "", "bitbucket.service still runs\n")
        self.world.clock.sleep(2.0)
        if node.unit != "absent":
            node.unit, node.unit_due = "stopped", None
        return Result(0, "stopped\n")


@dataclass
class MemoryRestores:
    """Port RestoreJournal: keeps what was written, and lets the process die around any write."""

    entries: dict[tuple[str, float], Memory] = field(default_factory=dict)
    """Newest memory of each restore, by cluster and by when it was planned."""
    around: Callable[[bool], None] = lambda _: None
    """Called before (False) and after (True) every write."""

    def write(self, memory: Memory) -> None:
        """Keep the newest memory of a restore."""
        self.around(False)
        self.entries[memory.plan.cluster, memory.plan.started] = memory
        self.around(True)

    def newest(self, cluster: str) -> Memory | None:
        """Return the newest restore."""
        mine = [memory for (of, _), memory in self.entries.items() if of == cluster]
        return max(mine, key=lambda memory: memory.plan.started, default=None)


def restoring(world: RestoreWorld, sets: Collection[BackupSet] = ()) -> Restoring:
    """Bundle the ports of a pure world."""
    return Restoring(
        clock=world.clock,
        nodes=SimRestoreNodes(world),
        group=SimRestoreGroup(world),
        balancer=SimRestoreBalancer(world),
        program=SimProgram(world),
        shell=SimShell(world),
        manifests=SimManifests.holding(sets),
        journal=MemoryRestores(),
        launch=world.launching,
        home=HOME,
        service=SERVICE,
        capabilities=world.capabilities,
    )


def over_wires(at: Restoring, chaos: Chaos) -> Restoring:
    """Return the same ports behind unreliable wires; clock and journal lie in the process itself."""
    names = ("nodes", "group", "balancer", "program", "shell", "manifests")
    wired: dict[str, Any] = {name: _Wire(getattr(at, name), name, chaos) for name in names}
    return replace(at, **wired)
