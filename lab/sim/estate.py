"""One simulated estate: clock, cloud, Bitbucket and the witness, living through time together."""

from __future__ import annotations

from random import Random
from typing import Protocol

from automation.ports.world import World
from lab.bitbucket.model import Cluster
from lab.sim.clock import VirtualClock
from lab.sim.cloud import Cloud
from lab.sim.pools import in_place
from lab.sim.ports import world_of
from lab.sim.scale_set import ScaleSet
from lab.sim.settings import SimSettings
from lab.sim.witness import Witness


class Living(Protocol):
    """A part of the world with a life of its own."""

    def next_event(self) -> float | None:
        """Return when something changes by itself next."""
        ...

    def tick(self, now: float) -> None:
        """Let everything happen that is due."""
        ...


class Estate:
    """A serving cluster, and the ports through which the engine sees it."""

    def __init__(self, settings: SimSettings | None = None, seed: int = 0) -> None:
        self.settings = settings or SimSettings()
        self.random = Random(seed)  # noqa: S311 -- repeatable chance is the point
        self.clock = VirtualClock()
        self.bitbucket = Cluster(self.settings.bitbucket, seed)
        kind = Cloud if self.settings.capabilities.registers_by_itself else ScaleSet
        self.cloud = kind(self.settings, self.bitbucket, self.random)
        self.witness = Witness(self.settings.nodes - 1)
        self.parts: list[Living] = [self.cloud]
        """Everything that lives, in the order in which it is told of the time."""
        self.clock.on_move(self.live)
        self._settle()
        self.world: World = world_of(self.cloud, self.clock, self.witness)
        if isinstance(self.cloud, ScaleSet):
            self.cloud.settled()
            self.world = in_place(self.world, self.cloud, self.clock, self.witness)

    def live(self, now: float) -> None:
        """Live through everything that happens until ``now``, each thing at its own time."""
        while (due := self._next_event()) is not None and due <= now:
            self._tick(due)
        self._tick(now)

    def _next_event(self) -> float | None:
        return min((due for part in self.parts if (due := part.next_event()) is not None), default=None)

    def _tick(self, now: float) -> None:
        for part in self.parts:
            part.tick(now)

    def serving(self) -> int:
        """Return how many nodes serve users."""
        return sum(self.cloud.is_serving(m, self.clock.now()) for m in self.cloud.machines.values())

    def _settle(self) -> None:
        while self.serving() < self.settings.nodes:
            self.clock.sleep(5.0)
