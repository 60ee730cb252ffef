"""Systems Manager over the lab's AWS, as a subject of the contract suites."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from automation.adapters.aws.node_logs import AwsNodeLogs
from automation.adapters.aws.session import Aws, Caller
from automation.adapters.aws.shell import AwsShell
from automation.adapters.logs import Redactor
from automation.ports.shell import Shell
from lab.aws.plain import PlainMachines
from lab.aws.ports import Call, ManualClock
from lab.aws.world import AwsWorld
from tests.contracts.aws import LostAgents, environment
from tests.contracts.safe_aws import machine
from tests.contracts.shell_subjects import HOME, CloudSubject
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import CLUSTER, Estate

SEND = "SendCommand"


@dataclass
class LostAnswers(LostAgents):
    """Answers to commands that are lost, as often as scripted."""

    losing: int = 0
    sent: list[str] = field(default_factory=list)

    def lose_reply(self, call: Call) -> bool:
        """Lose the answer to a command."""
        if call.action != SEND:
            return False
        self.sent.append(call.action)
        self.losing -= 1
        return self.losing >= 0


@dataclass
class AwsShellHands:
    """``shell_subjects.CloudHands`` over the lab's AWS; it is the shell's clock as well."""

    world: AwsWorld
    clock: ManualClock
    machines: PlainMachines
    estate: Estate
    faults: LostAnswers
    server: str
    caller: Caller

    def now(self) -> float:
        """Return the world's time."""
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        """Let the lab live, and its processes too."""
        time.sleep(0.02)
        pass_time(self.world, self.clock, seconds)

    def nodes(self) -> tuple[str, ...]:
        """Return the instances of the group."""
        return tuple(self.estate.members())

    def unit(self, node: str) -> str:
        """Read what systemctl of the machine keeps."""
        return (self.machines.directory(node) / "bitbucket.state").read_text().strip()

    def gone(self) -> str:
        """Return an id that nobody has."""
        return "i-0123456789abcdef0"

    @contextmanager
    def deaf(self, *machines: str) -> Iterator[None]:
        """Disconnect the agents."""
        self.faults.lost.update(machines)
        yield
        self.faults.lost.difference_update(machines)

    @contextmanager
    def off(self) -> Iterator[str]:
        """Stop the file server."""
        ec2 = self.world.client("ec2")
        ec2.stop_instances(InstanceIds=[self.server])
        self.sleep(5)
        yield self.server
        ec2.start_instances(InstanceIds=[self.server])
        self.sleep(5)

    @contextmanager
    def lost_answer(self) -> Iterator[list[str]]:
        """Lose the next answer."""
        self.faults.losing = 1
        self.faults.sent.clear()
        yield self.faults.sent
        self.faults.losing = 0

    @contextmanager
    def further_server(self) -> Iterator[str]:
        """Start another one."""
        made, _ = machine(self.world, "file-server", 0)
        yield made
        self.world.client("ec2").terminate_instances(InstanceIds=[made])
        self.sleep(5)

    def elsewhere(self) -> Shell:
        """Return the shell of a cluster without machines."""
        return AwsShell(self.caller, "another", self)

    def log(self, node: str, text: str) -> None:
        """Write the file."""
        file = self.machines.directory(node) / "root" / HOME.lstrip("/") / "log" / "atlassian-bitbucket.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


class NotingRedactor(Redactor):
    """Notes what it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def add(self, secret: str) -> None:
        """Hide a secret from now on."""
        self.told.append(secret)
        super().add(secret)


@contextmanager
def shell_aws(root: Path) -> Iterator[CloudSubject]:
    """Yield the adapters over a fresh AWS with two nodes and a file server; another cluster has a node only."""
    clock, faults = ManualClock(), LostAnswers()
    machines = PlainMachines(root, clock)
    with (
        AwsWorld(machines, clock=clock, probe=machines.probe, faults=faults) as world,
        patch.dict(os.environ, environment(world)),
    ):
        estate = Estate.build(world, nodes=2)
        server, _ = machine(world, "file-server", 1)
        machine(world, "file-server", 0, cluster="a-third")
        caller = Aws().caller()
        hands = AwsShellHands(world, clock, machines, estate, faults, server, caller)
        hands.sleep(10)
        shell, redactor = AwsShell(caller, CLUSTER, hands), NotingRedactor()
        yield CloudSubject(
            shell=shell,
            hands=hands,
            logs=AwsNodeLogs(caller, CLUSTER, shell, HOME, redactor),
            hidden=redactor.told,
        )
