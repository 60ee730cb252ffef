"""The AWS adapters over the lab's AWS, as a subject of the contract suites."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from automation.adapters.aws.host import AwsHost
from automation.adapters.aws.load_balancer import AwsBalancer
from automation.adapters.aws.metrics import AwsMetrics
from automation.adapters.aws.nodes import AwsGroup
from automation.adapters.aws.session import Aws
from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock, NoFaults
from lab.aws.world import REGION, AwsWorld
from tests.contracts.subjects import Subject
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import CLUSTER, Estate


@dataclass
class LostAgents(NoFaults):
    """Machines whose agent is gone."""

    lost: set[str] = field(default_factory=set)

    def agent_lost(self, instance: str) -> bool:
        """Say whether the agent is gone."""
        return instance in self.lost


@dataclass
class AwsHands:
    """``subjects.Hands`` over the lab's AWS."""

    world: AwsWorld
    clock: ManualClock
    estate: Estate
    faults: LostAgents

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        pass_time(self.world, self.clock, seconds)

    def set_model(self, version: str) -> None:
        """Point the group at a new template version."""
        self.estate.set_version(version)

    def lose(self, instance: str) -> None:
        """Terminate through EC2, behind the group's back."""
        self.world.client("ec2").terminate_instances(InstanceIds=[instance])

    def lose_agent(self, instance: str) -> None:
        """Disconnect the agent."""
        self.faults.lost.add(instance)

    def record_cpu(self, instance: str, percent: float) -> None:
        """Put a figure into CloudWatch."""
        with self.world.lock:
            self.world.metrics.cpu(instance, percent)

    def stops(self, instance: str) -> int:
        """Count the stop commands that were sent to the machine."""
        sent = [one for one in self.world.commands.sent if instance in one.instances]
        return sum("systemctl stop" in one.script for one in sent)


def environment(world: AwsWorld) -> dict[str, str]:
    """Return what an AWS client needs to find the lab."""
    return {
        "AWS_ENDPOINT_URL": world.url,
        "AWS_ACCESS_KEY_ID": "AKIALABLABLABLABLAB0",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


@dataclass
class WorldClock:
    """The world's clock as a port: whoever sleeps moves the world."""

    hands: AwsHands

    def now(self) -> float:
        """Return the world's time."""
        return self.hands.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.hands.wait(seconds)


@contextmanager
def aws(root: Path) -> Iterator[Subject]:
    """Yield the adapters over a fresh AWS with three nodes."""
    clock, faults = ManualClock(), LostAgents()
    machines = PlainMachines(root, clock)
    with (
        AwsWorld(machines, clock=clock, probe=machines.probe, faults=faults) as world,
        patch.dict(os.environ, environment(world)),
    ):
        hands = AwsHands(world, clock, Estate.build(world), faults)
        hands.wait(10)
        session = Aws()
        yield Subject(
            group=AwsGroup(session.caller(), CLUSTER),
            balancer=AwsBalancer(session.caller(), CLUSTER),
            host=AwsHost(session.caller()),
            metrics=AwsMetrics(session.caller(), WorldClock(hands)),
            hands=hands,
        )
