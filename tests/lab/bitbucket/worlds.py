"""Short ways to say which cluster a test wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.bitbucket.consistency import problems
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import Json, NodeSpec, Settings, State

SETTINGS = Settings(collision_chance=0.0)
OLD, NEW = "7.9.0", "7.9.4"


class World:
    """A cluster, its time, and the machines under it."""

    def __init__(self, seed: int = 0, **changes: Any) -> None:
        self.cluster = Cluster(replace(SETTINGS, **changes), seed)
        self.now = 1000.0

    def boot(self, number: int, version: str = OLD, *, address: str | None = None, settle: bool = True) -> str:
        spec = NodeSpec(f"i-{number}", address or f"127.9.0.{number}", version)
        self.cluster.boot(spec, self.now)
        if settle:
            self.settle()
        return spec.id

    def settle(self) -> None:
        """Let time pass until nothing is due."""
        while (due := self.cluster.next_event()) is not None:
            self.now = max(self.now, due)
            self.cluster.tick(self.now)
        assert not problems(self.cluster, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.cluster.tick(self.now)

    def stop(self, *numbers: int) -> None:
        for number in numbers:
            self.cluster.stop(f"i-{number}", self.now)
        self.settle()

    def start(self) -> int:
        return self.cluster.start_upgrade(self.now).status

    def cancel(self) -> int:
        return self.cluster.cancel(self.now).status

    def approve(self) -> int:
        return self.cluster.approve(self.now).status

    def view(self, asked: str | None = None) -> Json:
        return self.cluster.cluster_view(self.now, asked)

    @property
    def state(self) -> str:
        return str(self.view()["state"])

    def listed(self, asked: str | None = None) -> dict[str, tuple[str | None, str | None]]:
        """State and version by last octet of the address."""
        nodes = self.view(asked)["nodes"]
        return {node["ipAddress"].split(".")[-1]: (node["state"], node["version"]) for node in nodes}

    def state_of(self, number: int) -> State | None:
        node = self.cluster.nodes.get(f"i-{number}")
        return node.state if node else None


def three(version: str = OLD, **changes: Any) -> World:
    """Three ACTIVE nodes."""
    world = World(**changes)
    for number in (1, 2, 3):
        world.boot(number, version)
    return world


def upgrading(**changes: Any) -> World:
    """Three ACTIVE old nodes in upgrade mode."""
    world = three(**changes)
    assert world.start() == 200
    return world


def replaced(world: World, *numbers: int, version: str = NEW) -> World:
    """Replace nodes one by one with new ones at new addresses (10 higher)."""
    for number in numbers:
        world.stop(number)
        world.boot(number + 10, version)
    return world
