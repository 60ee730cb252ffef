"""The Azure adapters over the lab's Azure, as a subject of the contract suites."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from automation.adapters.azure.host import AzureHost
from automation.adapters.azure.load_balancer import AzureBalancer
from automation.adapters.azure.machines import identity_of, renewed_of
from automation.adapters.azure.metrics import AzureMetrics
from automation.adapters.azure.nodes import AzureGroup
from automation.adapters.azure.session import Azure
from automation.core.capabilities import AZURE
from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.instances import Instance
from lab.azure.ports import ManualClock, Timings
from lab.azure.world import GROUP, AzureWorld
from tests.contracts.aws import LostAgents
from tests.contracts.azure_estate import CLUSTER, SET, WAIT, AzureEstate
from tests.contracts.subjects import Subject

TIMINGS = Timings(instance=0.5, power=0.3, model=0.2, gateway=1.0, gateway_health=0.1)
STEP = 0.25


@dataclass
class AzureHands:
    """``subjects.Hands`` over the lab's Azure."""

    world: AzureWorld
    clock: ManualClock
    estate: AzureEstate
    faults: Any

    def wait(self, seconds: float) -> None:
        """Let virtual time pass in small steps: what is due happens on the way, not at its end."""
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            self.clock.advance(min(STEP, end - self.clock.now()))
            with self.world.lock:
                self.world.advance()

    def set_model(self, version: str) -> None:
        """Change the scale set's model."""
        self.estate.set_version(version)

    def lose(self, instance: str) -> None:
        """Switch the machine off, behind the group's back."""
        number = self._found(instance).resource.name
        self.estate.members.begin_power_off(GROUP, SET, number, **WAIT).result()

    def lose_agent(self, instance: str) -> None:
        """Disconnect the agent."""
        self.faults.lost.add(self._found(instance).machine)

    def record_cpu(self, instance: str, percent: float) -> None:
        """Put a figure into Azure Monitor."""
        machine = self._found(instance).machine
        with self.world.lock:
            self.world.figures.cpu(machine, percent)

    def stops(self, instance: str) -> int:
        """Count the stop commands that reached the machine."""
        log = self.estate.machines.directory(self._found(instance).machine) / "systemctl.log"
        return sum(line.startswith("stop ") for line in log.read_text().splitlines()) if log.exists() else 0

    def _found(self, instance: str) -> Instance:
        """Return the lab's machine under an id of ours."""
        renewed = renewed_of(self.estate.sets.get(GROUP, SET).as_dict())
        members = self.estate.members.list(GROUP, SET)
        shown = {identity_of(one.as_dict(), renewed): str(one.instance_id) for one in members}
        place = self.estate.id("Microsoft.Compute/virtualMachineScaleSets", SET)
        found: Instance = self.world.resources.get(f"{place}/virtualMachines/{shown[instance]}").own
        return found


@dataclass
class WorldClock:
    """The world's clock as a port: whoever sleeps moves the world."""

    hands: AzureHands

    def now(self) -> float:
        """Return the world's time."""
        return self.hands.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.hands.wait(seconds)


@contextmanager
def cluster(root: Path, faults: Any) -> Iterator[AzureHands]:
    """Yield an Azure with three nodes that every SDK client finds; nobody is in the pools yet."""
    clock = ManualClock()
    machines = PlainMachines(root / "machines", clock, boot=8.0)

    def probe(_: str, address: str) -> bool | None:
        known = (one for one in world.instances.all() if one.address == address)
        found = next(known, None)
        return None if found is None else machines.probe("", found.machine)

    world = AzureWorld(machines, root / "tls", clock=clock, timings=TIMINGS, faults=faults, probe=probe)
    with world, patch.dict(os.environ, world.environment()), Clients(world) as clients:
        estate = AzureEstate(world, clients, clock, machines)
        estate.build()
        hands = AzureHands(world, clock, estate, faults)
        hands.wait(10)
        yield hands


@contextmanager
def azure(root: Path) -> Iterator[Subject]:
    """Yield the adapters over a fresh Azure with three nodes, put into the pools."""
    with cluster(root, LostAgents()) as hands:
        ticks, world = WorldClock(hands), hands.world
        session = Azure(world.subscription, GROUP, endpoint=world.url, clock=ticks)
        balancer, group = AzureBalancer(session.caller(), CLUSTER, ticks), AzureGroup(session.caller(), CLUSTER)
        for instance in group.observe().instances:
            balancer.register(instance.id)
        hands.wait(1)
        yield Subject(
            group=group,
            balancer=balancer,
            host=AzureHost(session.caller(), CLUSTER),
            metrics=AzureMetrics(session.caller(), CLUSTER, ticks),
            hands=hands,
            capabilities=AZURE,
        )
        session.close()
