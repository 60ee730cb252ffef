"""What a contract test has in its hands: the ports of one implementation, and the world behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from automation.core.capabilities import AWS, Capabilities
from automation.ports.bitbucket import Bitbucket, Nodes
from automation.ports.cloud import Balancer, Group, Host, Metrics


class Hands(Protocol):
    """What a test does to the world from outside; nothing of it goes through the ports."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def set_model(self, version: str) -> None:
        """Let the next new machine carry ``version``."""
        ...

    def lose(self, instance: str) -> None:
        """Take a machine away behind everybody's back, as a failing host does."""
        ...

    def lose_agent(self, instance: str) -> None:
        """Cut the machine off from commands."""
        ...

    def record_cpu(self, instance: str, percent: float) -> None:
        """Record a figure of the machine for now."""
        ...

    def stops(self, instance: str) -> int:
        """Count the stop commands that reached the machine."""
        ...


@dataclass(frozen=True)
class Subject:
    """One implementation under test, over three healthy nodes at 7.9.0; limits 3..4, target groups http and ssh."""

    group: Group
    balancer: Balancer
    host: Host
    metrics: Metrics | None
    """None where nothing is measured."""
    hands: Hands
    capabilities: Capabilities = AWS
    """What the cloud does by itself."""


class BitbucketHands(Protocol):
    """What a test does to a cluster from outside."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all machines."""
        ...

    def replace(self, address: str, version: str) -> None:
        """Replace a machine by one of ``version`` with another address, and wait until that has joined."""
        ...

    def break_it(self, fault: str, **params: Any) -> None:
        """Switch a fault of the model of Bitbucket on."""
        ...

    def stop_all(self) -> None:
        """Stop every machine, without successors."""
        ...


@dataclass(frozen=True)
class BitbucketSubject:
    """One implementation under test, over three ACTIVE nodes at 7.9.0."""

    bitbucket: Bitbucket
    nodes: Nodes
    hands: BitbucketHands
