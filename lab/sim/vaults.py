"""The vaults' ports over the simulated storage, and the store of manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from automation.core.backups import labels
from automation.core.backups.manifest import from_json, to_json
from automation.core.backups.sets import BackupSet, MemberKind, SetState, Snapshot, SnapshotState, Source
from automation.ports.clock import Clock
from automation.ports.errors import Conflict, NotFound, Refused
from automation.ports.vaults import Destination
from lab.sim.storage import Storage, Stored

HOME = ("000000000000", "eu-central-1")
"""Account and region of the simulated estate."""
SIZE = 2**30
ORIGINAL = "backup-source-snapshot"


@dataclass
class SimVault:
    """What both kinds of vault share: listing, labels, deletion, copies."""

    storage: Storage
    clock: Clock
    kind: MemberKind = MemberKind.DISK

    def snapshots(self, set_id: str | None = None) -> tuple[Snapshot, ...]:
        """Return snapshots with our tags, or those of one set."""
        found = [each for each in self._listed(HOME[1]) if labels.SET in each.tags]
        return tuple(self.shown(each) for each in found if set_id in {None, each.tags[labels.SET]})

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state on a snapshot."""
        if snapshot.id not in self.storage.stored:
            raise NotFound(f"there is no snapshot {snapshot.id}")
        for each in self.storage.whole(self.storage.stored[snapshot.id]):
            each.tags[labels.STATE] = state.value

    def delete(self, snapshot: Snapshot) -> None:
        """Delete a snapshot that still belongs to the set it was seen with."""
        there = self.storage.stored.get(snapshot.id)
        if there is None:
            return
        if there.tags.get(labels.SET) != snapshot.tags.get(labels.SET):
            raise Conflict(f"{snapshot.id} belongs to set {there.tags.get(labels.SET)} now")
        for each in self.storage.whole(there):
            del self.storage.stored[each.id]

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:
        """Begin a copy; a key of another region lets it fail later, as AWS does."""
        there = self.storage.stored[snapshot.id]
        if there.state is not SnapshotState.COMPLETED:
            raise Conflict(f"{snapshot.id} is {there.state}: only completed snapshots are copied")
        done = [c for c in self._listed(to.region) if c.source == snapshot.id and c.state is not SnapshotState.FAILED]
        problem = "" if to.encryption_key in {"", f"key/{to.region}"} else "Given key ID is not accessible"
        key = to.encryption_key or f"key/{to.region}/default"
        if done:
            return self.shown(done[0])
        made = self.storage.copy(there, self.clock.now(), region=to.region, key=key, problem=problem)
        made.tags = {**labels, ORIGINAL: snapshot.id}
        return self.shown(made)

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:
        """Return the copies of a set."""
        found = [c for c in self._listed(to.region) if c.tags.get(labels.SET) == set_id and ORIGINAL in c.tags]
        return tuple(self.shown(each) for each in found)

    def _listed(self, region: str) -> list[Stored]:
        found = self.storage.listed(self.clock.now(), self.kind)
        return [each for each in found if (each.region or HOME[1]) == region]

    def shown(self, each: Stored) -> Snapshot:
        """Return a snapshot as the cloud shows it."""
        offset = self.storage.settings.clock_offset
        return Snapshot(
            kind=each.kind,
            id=each.id,
            source=each.source,
            state=each.state,
            at=None if each.content is None else each.instant + offset,
            percent=100 if each.state is SnapshotState.COMPLETED else 50,
            size=SIZE,
            encryption_key=each.key,
            tags=dict(each.tags),
            problem=each.fails if each.state is SnapshotState.FAILED else "",
            region=each.region or HOME[1],
        )

    def _tags(self, of: BackupSet, source: Source) -> dict[str, str]:
        return {**labels.of_set(of), labels.SOURCE: source.id, labels.ROLE: source.role}

    def _snap(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Begin all or none."""
        if self.storage.is_full():
            raise Refused("snapshot_quota", "no more snapshots are allowed", hint="delete some, or raise the quota")
        now = self.clock.now()
        made = [m for s in sources for m in self.storage.snap([s.id], self.kind, now, self._tags(of, s))]
        return tuple(self.shown(each) for each in made)


@dataclass
class SimDisks(SimVault):
    """Port Vault for the volumes."""

    def sources(self) -> tuple[Source, ...]:
        """Return all volumes; those of one machine are one group."""
        return tuple(
            Source(
                self.kind,
                volume.id,
                role=volume.role,
                group=volume.machine,
                state="in-use",
                problem=self.storage.limits.volume_problem if number == 0 else "",
                size=SIZE,
                zone="a",
                encryption_key=self.storage.settings.key,
                facts={"device": f"/dev/sd{chr(ord('f') + number)}"},
            )
            for number, volume in enumerate(self.storage.volumes)
        )

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Begin snapshots of the volumes of one machine."""
        if len({source.group for source in sources}) != 1:
            raise Conflict("one call takes volumes of one machine")
        if not self.storage.settings.restore_points:
            return self._snap(of, sources)
        wanted = {source.id for source in sources}
        mine = (s for s in self.storage.stored.values() if s.tags.get(labels.SET) == of.id and not s.region)
        there = [s for s in mine if s.source in wanted and s.state is not SnapshotState.FAILED]
        if there:
            return tuple(self.shown(each) for each in there)
        made = self._snap(of, sources)
        if len(made) > 1:
            self.storage.point([self.storage.stored[one.id] for one in made])
        return made


@dataclass
class SimDatabase(SimVault):
    """Port Vault for the database."""

    kind: MemberKind = MemberKind.DATABASE

    def sources(self) -> tuple[Source, ...]:
        """Return the one database."""
        settings, state = self.storage.settings, self.storage.limits.database_state
        until = None if settings.log_lag is None else self.clock.now() + settings.clock_offset - settings.log_lag
        problem = "" if state == "available" else f"its state is {state}"
        found = Source(self.kind, self.storage.database, role="database", state=state, problem=problem, size=SIZE)
        return (replace(_with_log(found, until, settings.key), by_time=settings.by_time),)

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Begin the database's snapshot; its name is the set's, so a second one is the first."""
        if self.storage.limits.database_state != "available":
            raise Conflict(f"InvalidDBInstanceState: the database is {self.storage.limits.database_state}")
        mine = (s for s in self.storage.stored.values() if s.kind is self.kind and not s.region)
        if there := next((s for s in mine if s.tags.get(labels.SET) == of.id), None):
            return (self.shown(there),)
        return self._snap(of, sources)

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:
        """Begin a copy; where a member is but a moment, refuse: its log stays where the server is."""
        if self.storage.settings.by_time:
            raise Refused("database_stays", f"the database cannot be copied to {to.region}")
        return super().copy(snapshot, to, labels)


def _with_log(found: Source, until: float | None, key: str) -> Source:
    return Source(
        found.kind,
        found.id,
        role=found.role,
        state=found.state,
        problem=found.problem,
        size=found.size,
        zone="a",
        encryption_key=key,
        recoverable_until=until,
    )


@dataclass
class SimManifests:
    """Port Manifests: written and read as the real ones are, through JSON."""

    versions: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    """Every version ever written, by set."""
    there: bool = True
    """False: there is no store."""

    @classmethod
    def holding(cls, sets: Iterable[BackupSet]) -> Self:
        """Return a store in which these sets were written."""
        made = cls()
        for each in sets:
            made.write(each)
        return made

    def place(self) -> str:
        """Say where they lie."""
        return "memory://sets"

    def account(self) -> tuple[str, str]:
        """Return account and region."""
        return HOME

    def write(self, manifest: BackupSet) -> None:
        """Write a new version."""
        self._must_be_there()
        self.versions.setdefault(manifest.id, []).append(to_json(manifest))

    def read(self, set_id: str) -> BackupSet:
        """Return the newest version."""
        self._must_be_there()
        if set_id not in self.versions:
            raise NotFound(f"there is no set {set_id}")
        return from_json(self.versions[set_id][-1])

    def all(self) -> tuple[BackupSet, ...]:
        """Return every set."""
        self._must_be_there()
        found = (from_json(versions[-1]) for versions in self.versions.values())
        return tuple(sorted(found, key=lambda each: (each.created, each.id)))

    def remove(self, set_id: str) -> None:
        """Remove a set."""
        self.versions.pop(set_id, None)

    def _must_be_there(self) -> None:
        if not self.there:
            raise NotFound("there is no store for manifests", hint="make the bucket")
