"""Disks of an estate and what sets hold of them (``ports.vaults.Vault``): restore points, or incremental snapshots.

Where a machine has several disks, one crash-consistent restore point holds all of them at one instant. It stands in a
collection of its own, because restore points carry no tags and collections do: the collection is made with the set's
words before the restore point is. Single disks, and disks that Azure makes no such restore point of (premium ones of
version 2, ultra ones, shared ones; any within an hour of the last), get incremental snapshots, all sent at the same
time; under the lock that is as good.

A restore point goes as a whole: labelling or deleting one disk of it means all disks of that machine in that set.
Source: Azure's support matrix for restore points of virtual machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from automation.adapters.azure import disk_shapes, place, rights, tags
from automation.adapters.azure.disk_copies import DiskCopies
from automation.adapters.azure.disk_snapshots import DiskSnapshots
from automation.adapters.azure.ids import fitting, name_of, part, plain
from automation.adapters.azure.session import Caller
from automation.adapters.azure.snapshots import is_copy, is_going, is_of, refuse_other
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, MemberKind, SetState, Snapshot, Source
from automation.ports.errors import Conflict, NotFound, Unavailable, Unexpected
from automation.ports.vaults import Destination

POINT = "disks"
"""Name of the one restore point in each collection."""
Json = dict[str, Any]


class AzureDisks:
    """Implements ``ports.vaults.Vault`` over managed disks: data disks of the file server and of every Mesh node."""

    kind = MemberKind.DISK

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster
        self._machines: dict[str, Json] = {}
        self._single = DiskSnapshots(caller, cluster)
        self._copies = DiskCopies(caller, cluster, self._single)
        self._home = ""
        self._may = False

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def sources(self) -> tuple[Source, ...]:
        """Return every data disk of machines that keep data; the system's own disks are none.

        Raises:
            NotFound: no such machine has one.
        """
        machines = self._caller.pages("compute", "virtual_machines.list", self._caller.group)
        mine = [one for one in machines if tags.is_of(one, self._cluster) and _role(one) in disk_shapes.ROLES]
        listed = self._caller.pages("compute", "disks.list_by_resource_group", self._caller.group)
        disks = {plain(one["id"]): one for one in listed}
        found = [
            disk_shapes.source(disks[disk], line, machine)
            for machine in mine
            for line in disk_shapes.data_lines(machine)
            if (disk := plain((line.get("managedDisk") or {}).get("id"))) in disks
        ]
        if not found:
            raise NotFound(
                f"cluster {self._cluster} has no data disks in {self._caller.place}",
                hint=f"machines with data carry {tags.CLUSTER} and {tags.ROLE}=file-server or mesh",
            )
        self._machines = {plain(one["id"]): one for one in mine}
        return self._allowed(tuple(sorted(found, key=lambda source: (source.group, source.id))))

    def _allowed(self, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        """Let the first source say which rights are missing for snapshots; asked until none is, and not again."""
        if self._may:
            return sources
        machines = [tuple(mine) for _, mine in groupby(sources, key=lambda source: source.group)]
        together = [disk_shapes.fit_together(mine) for mine in machines]
        alone = [one.id for mine, fit in zip(machines, together, strict=True) if not fit for one in mine]
        needs = rights.of_set(place.group_path(self._caller), alone, together=any(together))
        missing = rights.lacking(self._caller, needs)
        self._may = not missing
        if self._may or sources[0].problem:
            return sources
        return (replace(sources[0], problem=f"not allowed to this identity: {'; '.join(missing)}"), *sources[1:])

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Begin one restore point for each machine that the sources are attached to."""
        ordered = sorted(sources, key=lambda s: (s.group, s.id))
        begun: list[Snapshot] = []
        for machine, mine in groupby(ordered, key=lambda s: s.group):
            begun += self._begin(of, machine, tuple(mine))
        return tuple(begun)

    def snapshots(self, set_id: str | None = None) -> tuple[Snapshot, ...]:
        """Return what the cluster's sets hold of disks, or what one does; copies elsewhere are left out."""
        found = [*self._pointed(set_id), *self._single.found(set_id, self._region())]
        return tuple(sorted(found, key=lambda each: each.id))

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state on the collection that a snapshot stands in, or on the snapshot itself."""
        if not _in_collection(snapshot):
            self._single.label(snapshot, state)
            return
        name = part(snapshot.id, "restorePointCollections")
        found = self._living(name)
        if found is None:
            raise NotFound(f"there is no restore point collection {name}")
        words = tags.read(found) | tags.written({labels.STATE: state.value})
        self._caller.call("compute", "restore_point_collections.update", self._caller.group, name, {"tags": words})

    def delete(self, snapshot: Snapshot) -> None:
        """Delete the collection that a snapshot stands in, if it still belongs to the set that it was seen with."""
        if not _in_collection(snapshot):
            self._single.delete(snapshot)
            return
        name = part(snapshot.id, "restorePointCollections")
        found = self._living(name)
        if found is None:
            return
        refuse_other(snapshot, tags.words(found))
        self._drop(name)

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:
        """Begin a copy with the target's disk encryption set; a restore point is copied as a whole."""
        return self._copies.copy(snapshot, to, labels)

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:
        """Return a set's copies at the destination, each with its original as ``source``."""
        return self._copies.copied(set_id, to)

    def _begin(self, of: BackupSet, machine: str, sources: tuple[Source, ...]) -> list[Snapshot]:
        if machine not in self._machines:
            self.sources()
        if machine not in self._machines:
            raise Conflict(f"{name_of(machine)} is not there any more, or is none of this cluster's")
        words = labels.of_set(of) | {labels.ROLE: sources[0].role}
        if not disk_shapes.fit_together(sources):
            return self._single.begin(of, sources, words)
        try:
            begun = self._point(of, self._machines[machine], sources, words)
        except (Conflict, Unexpected) as refused:
            return self._instead(of, sources, words, refused)
        if missing := {source.id for source in sources} - {one.source for one in begun}:
            gone = ", ".join(sorted(missing))
            raise Conflict(f"the restore point of {name_of(machine)} lacks {gone}: is it still attached?")
        return begun

    def _point(
        self, of: BackupSet, machine: Json, sources: tuple[Source, ...], words: Mapping[str, str]
    ) -> list[Snapshot]:
        """Make the collection, then the restore point in it: the instant is that of the second call."""
        group, name = self._caller.group, collection_name(of.id, machine)
        body: Json = {
            "location": machine["location"],
            "tags": tags.written(words),
            "properties": {"source": {"id": machine["id"]}},
        }
        made = self._caller.call("compute", "restore_point_collections.create_or_update", group, name, body)
        wanted = {source.id for source in sources}
        disks = [str(line["managedDisk"]["id"]) for line in disk_shapes.data_lines(machine)]
        others = [disk_shapes.system_disk(machine), *(disk for disk in disks if plain(disk) not in wanted)]
        point = {
            "properties": {
                "consistencyMode": "CrashConsistent",
                "excludeDisks": [{"id": disk} for disk in others if disk],
            }
        }
        answer = self._caller.finish("compute", "restore_points.begin_create", group, name, POINT, point, polling=False)
        if not disk_shapes.point_lines(answer):
            raise Unavailable(f"Azure has not said yet what the restore point in {name} holds")
        return list(disk_shapes.of_point(answer, {**made, "tags": body["tags"]}))

    def _instead(
        self, of: BackupSet, sources: tuple[Source, ...], words: Mapping[str, str], refused: Conflict | Unexpected
    ) -> list[Snapshot]:
        """Take a snapshot of each disk, unless the restore point is there and only a second one was refused."""
        wanted = {source.id for source in sources}
        there = [one for one in self._pointed(of.id) if one.source in wanted]
        if there:
            return there
        if any(source.problem for source in self.sources() if source.id in wanted):
            raise refused
        begun = self._single.begin(of, sources, words)
        self._drop(collection_name(of.id, self._machines[sources[0].group]))  # it stayed empty
        return begun

    def _drop(self, name: str) -> None:
        try:
            self._caller.begin("compute", "restore_point_collections.begin_delete", self._caller.group, name)
        except NotFound:  # somebody was faster, or it was never made
            return

    def _pointed(self, set_id: str | None) -> list[Snapshot]:
        region = self._region()
        found: list[Snapshot] = []
        for one in self._collections(set_id):
            if plain(one.get("location")) == region and not is_copy(one):
                found += self._in(one)
        return found

    def _collections(self, set_id: str | None) -> list[Json]:
        listed = self._caller.pages("compute", "restore_point_collections.list", self._caller.group)
        return [one for one in listed if is_of(one, self._cluster, set_id) and not is_going(one)]

    def _in(self, collection: Json) -> list[Snapshot]:
        """Return what a collection holds; nothing when it holds nothing yet, or was removed meanwhile."""
        group, name = self._caller.group, str(collection["name"])
        try:
            point = self._caller.call("compute", "restore_points.get", group, name, POINT, expand="instanceView")
        except NotFound:
            return []
        return list(disk_shapes.of_point(point, collection))

    def _living(self, name: str) -> Json | None:
        try:
            found: Json = self._caller.call("compute", "restore_point_collections.get", self._caller.group, name)
        except NotFound:
            return None
        return None if is_going(found) else found

    def _region(self) -> str:
        self._home = self._home or plain(place.region(self._caller))
        return self._home


def collection_name(set_id: str, machine: Json) -> str:
    """Return the name of a set's collection for a machine: the same for every try."""
    return fitting("bbdc", set_id, str(machine.get("name") or name_of(str(machine["id"]))))


def _role(machine: Json) -> str:
    return tags.read(machine).get(tags.ROLE, "")


def _in_collection(snapshot: Snapshot) -> bool:
    return "/restorepointcollections/" in snapshot.id.lower()
