"""One simulated estate: clock, cloud, Bitbucket and the witness, living through time together."""

from __future__ import annotations

from random import Random

from automation.ports.world import World
from lab.bitbucket.model import Cluster
from lab.sim.clock import VirtualClock
from lab.sim.cloud import Cloud
from lab.sim.ports import world_of
from lab.sim.settings import SimSettings
from lab.sim.witness import Witness


class Estate:
    """A serving cluster, and the ports through which the engine sees it."""

    def __init__(self, settings: SimSettings | None = None, seed: int = 0) -> None:
        self.settings = settings or SimSettings()
        self.random = Random(seed)  # noqa: S311 -- repeatable chance is the point
        self.clock = VirtualClock()
        self.bitbucket = Cluster(self.settings.bitbucket, seed)
        self.cloud = Cloud(self.settings, self.bitbucket, self.random)
        self.witness = Witness(self.settings.nodes - 1)
        self.clock.on_move(self.live)
        self._settle()
        self.world: World = world_of(self.cloud, self.clock, self.witness)

    def live(self, now: float) -> None:
        """Live through everything that happens until ``now``, each thing at its own time."""
        while (due := self.cloud.next_event()) is not None and due <= now:
            self.cloud.tick(due)
        self.cloud.tick(now)

    def serving(self) -> int:
        """Return how many nodes serve users."""
        return sum(self.cloud.is_serving(m, self.clock.now()) for m in self.cloud.machines.values())

    def _settle(self) -> None:
        while self.serving() < self.settings.nodes:
            self.clock.sleep(5.0)
