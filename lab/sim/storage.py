"""A small pure cloud of volumes, one database and their snapshots, each with known contents. No ports, no errors.

Semantics follow the clouds where a backup can notice them: a volume's snapshot holds the instant of the call, a
database's may hold a later one; both complete later, or fail; listings may lag; tags are there from the beginning.
On Azure a database's member is a moment in its log, and the disks of one machine share a restore point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from automation.core.backups.sets import MemberKind, SnapshotState
from lab.sim.pushes import Pushes
from lab.sim.settings import VaultSettings


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk and the repositories on it."""

    id: str
    machine: str
    role: str
    repositories: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Stored:
    """A snapshot as it truly is."""

    kind: MemberKind
    id: str
    source: str
    called: float
    tags: dict[str, str]
    instant: float
    """When it holds what it holds, by our own clock."""
    completes: float
    key: str = ""
    region: str = ""
    fails: str = ""
    """What the cloud will say when it fails instead of completing."""
    state: SnapshotState = SnapshotState.PENDING
    content: dict[int, int] | None = None
    """Commits by repository; None while the instant has not come."""
    latch: str = ""
    """The backup task for which nothing could change at that instant; empty when something could."""
    point: str = ""
    """The restore point that it is a part of; empty when it stands alone."""


@dataclass(slots=True)
class Limits:
    """What a test may change while time goes on."""

    quota: int | None = None
    """Snapshots that may be there at once; None for no limit."""
    failing: list[MemberKind] = field(default_factory=list)
    """The next snapshots of these kinds fail, one each."""
    database_state: str = "available"
    volume_problem: str = ""
    """Why the first volume cannot be taken; empty when it can."""


class Storage:
    """Everything that holds data."""

    def __init__(self, settings: VaultSettings, pushes: Pushes, repositories: int) -> None:
        self.settings, self.pushes = settings, pushes
        self.limits = Limits()
        self.volumes = _volumes(settings, repositories)
        self.database = "db-estate"
        self.repositories = tuple(range(repositories))
        self.stored: dict[str, Stored] = {}
        self._open: list[Stored] = []
        self._made = 0

    # -- life -----------------------------------------------------------------------------------------------------

    def next_event(self) -> float | None:
        """Return when a snapshot fixes its instant or completes next."""
        return min((self._due(each) for each in self._open), default=None)

    def tick(self, now: float) -> None:
        """Let snapshots hold and complete what is due; users have pushed until then."""
        self.pushes.tick(now)
        for each in self._open:
            if each.content is None and each.instant <= now:
                self._hold(each)
            if each.completes <= now:
                each.state = SnapshotState.FAILED if each.fails else SnapshotState.COMPLETED
        self._open = [each for each in self._open if each.state is SnapshotState.PENDING]

    def _due(self, each: Stored) -> float:
        return each.instant if each.content is None else each.completes

    def _hold(self, each: Stored) -> None:
        each.content = self.pushes.commits(each.instant, self.repositories_of(each.source))
        each.latch = self.pushes.latch(each.instant)

    # -- what there is --------------------------------------------------------------------------------------------

    def repositories_of(self, source: str) -> tuple[int, ...]:
        """Return the repositories of which a source knows: a volume its own, the database all."""
        found = (volume.repositories for volume in self.volumes if volume.id == source)
        return next(found, self.repositories)

    def is_full(self) -> bool:
        """Tell whether no more snapshots are allowed."""
        return self.limits.quota is not None and len(self.stored) >= self.limits.quota

    def listed(self, now: float, kind: MemberKind) -> list[Stored]:
        """Return the snapshots that a listing shows: each a little later than it is there."""
        lag = self.settings.listing_lag
        return [each for each in self.stored.values() if each.kind is kind and now - each.called >= lag]

    def whole(self, stored: Stored) -> list[Stored]:
        """Return everything that is labelled and goes together with a snapshot, itself included."""
        return [s for s in self.stored.values() if s is stored or (s.point and s.point == stored.point)]

    # -- acts -----------------------------------------------------------------------------------------------------

    def snap(self, sources: Iterable[str], kind: MemberKind, now: float, tags: Mapping[str, str]) -> list[Stored]:
        """Begin snapshots of several sources at one instant."""
        return [self._begin(source, kind, now, dict(tags)) for source in sources]

    def point(self, made: list[Stored]) -> None:
        """Let snapshots that were begun together be one restore point: when one of them fails, all do."""
        for each in made:
            each.point, each.fails = made[0].id, next((m.fails for m in made if m.fails), "")

    def copy(self, original: Stored, now: float, *, region: str, key: str, problem: str) -> Stored:
        """Begin a copy in another region; ``problem`` lets it fail."""
        made = self._begin(original.id, original.kind, now, dict(original.tags))
        made.instant, made.content, made.latch = original.instant, original.content, original.latch
        made.region, made.key, made.fails = region, key, problem
        return made

    def _begin(self, source: str, kind: MemberKind, now: float, tags: dict[str, str]) -> Stored:
        self._made += 1
        disk = kind is MemberKind.DISK
        instant = now if disk else self._moment(now + self.settings.database_begins)
        takes = self.settings.disk_completes if disk else self._database_takes()
        made = Stored(kind, f"snap-{self._made:04}", source, now, tags, instant, instant + takes)
        made.key = self.settings.key
        if kind in self.limits.failing:
            self.limits.failing.remove(kind)
            made.fails = "an internal error occurred"
        self.stored[made.id] = made
        self._open.append(made)
        if made.instant <= now:
            self._hold(made)
        return made

    def _moment(self, at: float) -> float:
        """Return the instant that a database's member holds: on Azure the next whole second of the cloud's clock."""
        offset = self.settings.clock_offset
        return math.floor(at + offset) + 1.0 - offset if self.settings.by_time else at

    def _database_takes(self) -> float:
        """Return how long a member takes: to be copied, or until the log is certain to hold its moment."""
        lag = self.settings.log_lag
        return lag if self.settings.by_time and lag is not None else self.settings.database_completes


def _volumes(settings: VaultSettings, repositories: int) -> tuple[Volume, ...]:
    """Return the volumes, with the repositories dealt out to them in turn."""
    homes = [(f"vol-home-{n}", "i-files", "shared-home") for n in range(settings.home_volumes)]
    meshes = [(f"vol-mesh-{n}", f"i-mesh-{n}", "mesh") for n in range(settings.mesh_volumes)]
    every = len(homes) + len(meshes)
    return tuple(
        Volume(name, machine, role, tuple(range(number, repositories, every)))
        for number, (name, machine, role) in enumerate((*homes, *meshes))
    )
