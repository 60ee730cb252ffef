"""Things that take time: volume snapshots become ``completed``, databases and their snapshots ``available``.

Repairs in moto: all of them were done within the call that began them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.ec2.models.elastic_block_store import Snapshot
from moto.rds.models import DBInstance, DBSnapshot

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld


@dataclass(slots=True)
class Progress:
    """What is under way: (thing, when it began, when it is done, its status then)."""

    world: AwsWorld
    going: list[tuple[Any, float, float, str]] = field(default_factory=list)

    def begin(self, thing: Any, seconds: float, status: str) -> None:
        """Let a thing be in ``status`` for a while, and then in the one it has now."""
        if seconds > 0:
            now = self.world.clock.now()
            self.going.append((thing, now, now + seconds, thing.status))
            thing.status = status

    def advance(self, now: float) -> None:
        """Finish what is due; what was changed meanwhile (deleted, stopped) stays as it is."""
        for line in [line for line in self.going if now >= line[2]]:
            self.going.remove(line)
            thing, _, _, status = line
            if thing.status in {"pending", "creating"}:
                thing.status = status

    def percent(self, thing: Any) -> int:
        """Return how far a thing is, 0 to 100."""
        now = self.world.clock.now()
        for other, begun, due, _ in self.going:
            if other is thing:
                return min(99, int(100 * (now - begun) / (due - begun)))
        return 100


def install(world: AwsWorld, patches: Patches) -> None:
    """Let snapshots and databases take their time."""

    @patches.wrap(Snapshot, "__init__")
    def snapshot(original: Any, self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        if options.get("from_ami") is None and self.from_ami is None:
            world.progress.begin(self, world.timings.snapshot, "pending")

    patches.put(Snapshot, "progress", property(lambda self: f"{world.progress.percent(self)}%"))
    for kind in (DBInstance, DBSnapshot):
        patches.wrap(kind, "__init__")(_slowly(world))


def _slowly(world: AwsWorld) -> Any:
    def create(original: Any, self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        world.progress.begin(self, world.timings.database, "creating")

    return create
