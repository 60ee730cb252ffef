"""The ports of a roll over the lab's Azure, with faults by action."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from automation.adapters.azure.host import AzureHost
from automation.adapters.azure.load_balancer import AzureBalancer
from automation.adapters.azure.nodes import AzureGroup
from automation.adapters.azure.session import Azure
from automation.core.cluster import Instance, TargetState
from lab.azure.world import GROUP
from tests.adapters.azure.safe_world import Scripted
from tests.contracts.azure import AzureHands, WorldClock
from tests.contracts.azure_estate import CLUSTER

REIMAGE = "POST virtualMachineScaleSets/virtualMachines/reimage"
UPGRADE = "POST virtualMachineScaleSets/manualupgrade"
WRITE_GATEWAY = "PUT applicationGateways"


@dataclass
class Rolling:
    """What a test has in its hands."""

    hands: AzureHands
    faults: Scripted

    @cached_property
    def session(self) -> Azure:
        return Azure(self.hands.world.subscription, GROUP, endpoint=self.hands.world.url, clock=WorldClock(self.hands))

    @cached_property
    def group(self) -> AzureGroup:
        return AzureGroup(self.session.caller(), CLUSTER)

    @cached_property
    def balancer(self) -> AzureBalancer:
        return self.another_balancer()

    def another_balancer(self) -> AzureBalancer:
        """The adapter of another process: it remembers nothing."""
        return AzureBalancer(self.session.caller(), CLUSTER, WorldClock(self.hands))

    @property
    def host(self) -> AzureHost:
        return AzureHost(self.session.caller(), CLUSTER)

    def registered(self) -> None:
        for instance in self.group.observe().instances:
            self.balancer.register(instance.id)
        self.hands.wait(1)
        self.faults.seen.clear()

    def instances(self) -> dict[str, Instance]:
        """Azure's instance id -> the machine as we see it."""
        return {one.id.partition("-")[0]: one for one in self.group.observe().instances}

    def states(self, instance: str, balancer: AzureBalancer | None = None) -> dict[str, TargetState]:
        return {t.group: t.state for t in (balancer or self.balancer).targets() if t.instance == instance}
