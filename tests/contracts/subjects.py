"""What a contract test has in its hands: the ports of one implementation, and the world behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

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
    metrics: Metrics
    hands: Hands
