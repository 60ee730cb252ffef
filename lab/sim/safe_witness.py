"""What must hold of backups whatever happens, checked against the true storage and the true lock."""

from __future__ import annotations

from collections.abc import Iterator

from automation.core.backups import labels
from automation.core.backups.manifest import from_json
from automation.core.backups.memory import BackupSettings, Ending, Memory
from automation.core.backups.sets import BackupSet, MemberKind, Mode, SetState, SnapshotState
from automation.core.roll import Record
from automation.engine.backups.shelf import Shelf
from automation.ports.clock import Clock
from lab.sim.maintenance import SimMaintenance
from lab.sim.storage import Storage, Stored
from lab.sim.vaults import SimManifests
from lab.sim.witness import InvariantBroken

LOOKS_A_SECOND = 4
_SOME_LOOKS = 12
"""Looks that acts themselves make, however short the lock."""


class SafeWitness:
    """Objects at once when a set is called good that is not, and at the end when something was left behind."""

    def __init__(self, storage: Storage, manifests: SimManifests, maintenance: SimMaintenance, clock: Clock) -> None:
        self._storage, self._manifests, self._maintenance, self._clock = storage, manifests, maintenance, clock
        self._versions = 0
        self._good: set[str] = set()
        self._locked_since: float | None = None
        self.locked: list[float] = []
        """How long each lock of ours lasted, in seconds."""
        self.longest = float("inf")
        """Longest that a lock of ours may last, in seconds, unless it is excused."""
        self._excused = False

    # -- after every event ----------------------------------------------------------------------------------------

    def watch(self, now: float) -> None:
        """Look at the lock, and at every set that is called complete since the last look."""
        self._watch_lock(now)
        versions = sum(len(versions) for versions in self._manifests.versions.values())
        if versions != self._versions:
            self._versions = versions
            self._watch_sets()

    def excuse(self) -> None:
        """Let the lock that is held last as long as it will: its process died, or nobody could reach Bitbucket."""
        self._excused = self._locked_since is not None or self._ours()

    def heard(self, record: Record, memory: Memory) -> None:
        """Take a record of the engine: it tells no secret."""
        self.watch(self._clock.now())
        self._no_secret(repr(record), "a record")
        self._no_secret(repr(memory), "a memory's text")

    def _watch_lock(self, now: float) -> None:
        held = self._maintenance.bitbucket.maintenance.held
        if self._ours() and self._locked_since is None:
            self._locked_since = held.since if held else now
        elif not self._ours() and self._locked_since is not None:
            self._end_lock(self._locked_since, now)
            self._locked_since = None

    def _ours(self) -> bool:
        held = self._maintenance.bitbucket.maintenance.held
        return held is not None and held.owner == self._maintenance.name

    def _end_lock(self, since: float, now: float) -> None:
        self.locked.append(now - since)
        excused, self._excused = self._excused, False
        if now - since > self.longest and not excused:
            raise InvariantBroken(f"Bitbucket was locked for {now - since:.1f} s; at most {self.longest:g} s were due")
        looks = self._maintenance.calls.looks(since, now)
        if looks > LOOKS_A_SECOND * (now - since) + _SOME_LOOKS:
            raise InvariantBroken(f"{looks} looks at Bitbucket in {now - since:.1f} s under the lock")

    def _watch_sets(self) -> None:
        for name, versions in self._manifests.versions.items():
            newest = versions[-1]
            if newest["state"] == SetState.COMPLETE and name not in self._good:
                self.must_be_good(from_json(newest))
                self._good.add(name)
            elif newest["state"] != SetState.COMPLETE:
                self._good.discard(name)

    # -- what a good set is ---------------------------------------------------------------------------------------

    def must_be_good(self, found: BackupSet) -> None:
        """Object unless a set that is called complete holds what it must."""
        problems = list(self._whole(found))
        parts = {
            m.source: self._storage.stored[m.snapshot] for m in found.members if m.snapshot in self._storage.stored
        }
        if not problems:
            problems = list(self._together(found, parts) if found.mode is Mode.LOCKED else self._near(found, parts))
        if problems:
            raise InvariantBroken(f"set {found.id} is called complete: {'; '.join(problems)}")

    def _whole(self, found: BackupSet) -> Iterator[str]:
        wanted = {volume.id for volume in self._storage.volumes} | {self._storage.database}
        held = [member.source for member in found.members]
        if sorted(held) != sorted(wanted):
            yield f"it holds {held}, and should hold {sorted(wanted)}"
        for member in found.members:
            stored = self._storage.stored.get(member.snapshot)
            if stored is None or stored.state is not SnapshotState.COMPLETED:
                yield f"{member.snapshot} is {stored.state if stored else 'gone'}"
            elif (stored.source, stored.tags[labels.SET]) != (member.source, found.id):
                yield f"{member.snapshot} is of {stored.source} and {stored.tags[labels.SET]}"
            elif stored.tags[labels.STATE] != SetState.COMPLETE:
                yield f"{member.snapshot} says {stored.tags[labels.STATE]}"

    def _together(self, found: BackupSet, parts: dict[str, Stored]) -> Iterator[str]:
        """One drained lock over all instants, and exactly what was acknowledged before it."""
        if len({stored.latch for stored in parts.values()}) != 1 or not all(s.latch for s in parts.values()):
            yield f"not all instants lie in one drained lock: {[(s.source, s.latch) for s in parts.values()]}"
        drained = found.lock.drained if found.lock is not None else None
        for source, stored in parts.items():
            known = self._storage.repositories_of(source)
            if drained is None or stored.content != self._storage.pushes.commits(drained, known):
                yield f"{source} does not hold exactly what was acknowledged before the lock"
        if self._storage.settings.by_time:
            yield from self._moment(found)

    def _moment(self, found: BackupSet) -> Iterator[str]:
        """A database that is restored by time only: its moment lies in the drained lock, and in its log."""
        offset, lag, lock = self._storage.settings.clock_offset, self._storage.settings.log_lag, found.lock
        if found.recover_to is None or lock is None or lock.drained is None or lock.released is None:
            yield "nobody knows to which moment the database is to be restored"
        elif not lock.drained <= found.recover_to - offset <= lock.released:
            yield f"its moment {found.recover_to - offset} lies outside the lock {lock.drained} to {lock.released}"
        elif lag is None or self._clock.now() - lag < found.recover_to - offset - 0.01:
            yield "the database's log had not reached the set's moment"

    def _near(self, found: BackupSet, parts: dict[str, Stored]) -> Iterator[str]:
        """Members as far apart as the manifest says, and a database that can be brought to the disks' instant."""
        moments = {MemberKind.DATABASE} if self._storage.settings.by_time else set()
        instants = [stored.instant for stored in parts.values() if stored.kind not in moments]
        skew = max(instants) - min(instants)
        if found.skew is None or abs(found.skew - skew) > 0.01:  # noqa: PLR2004 -- manifests tell milliseconds
            yield f"its skew is {skew}, not {found.skew}"
        disks = [stored.instant for stored in parts.values() if stored.kind is MemberKind.DISK]
        offset, lag = self._storage.settings.clock_offset, self._storage.settings.log_lag
        if found.recover_to is not None and lag is not None:
            if abs(found.recover_to - offset - max(disks)) > 0.01:  # noqa: PLR2004 -- the same
                yield "the database would not be brought to the disks' instant"
            if self._clock.now() - lag < found.recover_to - offset - 0.01:
                yield "the database's log had not reached the disks' instant"

    # -- at the end -----------------------------------------------------------------------------------------------

    def ended(self, memory: Memory, settings: BackupSettings) -> None:
        """Check what must be true when a run has ended."""
        outcome = memory.outcome
        self.watch(self._clock.now())
        if outcome is None:
            raise InvariantBroken("a run ended without an outcome")
        if outcome.ending is not Ending.LOCKED and self._ours():
            raise InvariantBroken(f"it ended {outcome}, and Bitbucket is locked by us")
        if outcome.ending is Ending.INVALID and not outcome.reason:
            raise InvariantBroken("invalid without a reason")
        if outcome.ending is Ending.COMPLETE and memory.backup.id not in self._good:
            raise InvariantBroken(f"it ended complete, and its manifest does not say so: {settings}")
        self._no_secret(repr(outcome), "an outcome")

    def left_behind(self, there: Shelf) -> None:
        """Check that every snapshot is known: as a member of a set, or as an orphan that is listed."""
        members = {member.snapshot for each in there.sets for member in each.members}
        orphans = {snapshot.id for snapshot in there.orphans}
        unknown = [s.id for s in self._storage.stored.values() if not s.region and s.id not in members | orphans]
        if unknown:
            raise InvariantBroken(f"nobody lists {unknown}")
        for each in there.sets:
            if each.state is SetState.COMPLETE:
                self.must_be_good(each)
        for name, versions in self._manifests.versions.items():
            self._no_secret(repr(versions), f"the manifest of {name}")
        for stored in self._storage.stored.values():
            self._no_secret(repr(stored.tags), f"the tags of {stored.id}")

    def nothing_half_done(self, there: Shelf) -> None:
        """Check what must be true after ``recover``: no set under way, and tags that say what the manifests say."""
        pending = [each.id for each in there.sets if each.state is SetState.PENDING]
        if pending:
            raise InvariantBroken(f"still pending: {pending}")
        states = {each.id: each.state for each in there.sets}
        members = {member.snapshot for each in there.sets for member in each.members}
        for stored in self._storage.stored.values():
            said, wanted = stored.tags[labels.STATE], states.get(stored.tags[labels.SET])
            # One that no answer and no listing ever told of may still say pending; it is listed as an orphan.
            if said != wanted and (stored.id in members or said == SetState.COMPLETE):
                raise InvariantBroken(f"{stored.id} says {said}, its set is {wanted}")

    def _no_secret(self, text: str, where: str) -> None:
        secrets = (*self._maintenance.logs.tokens, *self._maintenance.cancel_tokens)
        if any(secret in text for secret in secrets):
            raise InvariantBroken(f"{where} holds a token: {text}")
