"""Copies of restore points and snapshots in another region, encrypted with a key of that region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.disk_shapes import of_point, of_snapshot, point_lines
from automation.adapters.azure.disk_snapshots import CUSTOMER_KEY, DiskSnapshots
from automation.adapters.azure.ids import fitting, name_of, part, plain
from automation.adapters.azure.session import Caller
from automation.adapters.azure.snapshots import ORIGINAL, copied_words, is_copy, is_of, refuse_role
from automation.core.backups import labels
from automation.core.backups.sets import Snapshot, SnapshotState
from automation.ports.errors import NotFound, Unavailable
from automation.ports.vaults import Destination

Json = dict[str, Any]


class DiskCopies:
    """Makes and finds copies."""

    def __init__(self, caller: Caller, cluster: str, single: DiskSnapshots) -> None:
        self._caller = caller
        self._cluster = cluster
        self._single = single

    def copy(self, snapshot: Snapshot, to: Destination, words: Mapping[str, str]) -> Snapshot:
        """Begin to copy what holds ``snapshot``; one that is there already is returned as it is."""
        refuse_role(to)
        collection = part(snapshot.id, "restorePointCollections")
        if not collection:
            return self._copy_snapshot(snapshot, to, words)
        point = part(snapshot.id, "restorePoints")
        name = fitting(collection, to.region)
        found = self._named(name, point)
        if any(one.state is SnapshotState.FAILED for one in found):  # remove what is of no use, and begin again
            self._caller.finish("compute", "restore_point_collections.begin_delete", self._caller.group, name)
            found = []
        found = found or self._copy_point(snapshot, name, to, words)
        return next(one for one in found if one.source == snapshot.id)

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:
        """Return a set's copies in a region."""
        refuse_role(to)
        listed = self._caller.pages("compute", "restore_point_collections.list", self._caller.group)
        mine = [one for one in listed if is_of(one, self._cluster, set_id) and _is_there(one, to.region)]
        found = [each for one in mine for each in self._in(one, name_of(tags.words(one)[ORIGINAL]))]
        single = [of_snapshot(one) for one in self._single.listed(set_id) if _is_there(one, to.region)]
        return tuple(sorted([*found, *single], key=lambda each: each.id))

    def _copy_point(self, snapshot: Snapshot, name: str, to: Destination, words: Mapping[str, str]) -> list[Snapshot]:
        group = self._caller.group
        collection, point = part(snapshot.id, "restorePointCollections"), part(snapshot.id, "restorePoints")
        source = self._caller.call("compute", "restore_points.get", group, collection, point)
        home = plain(source["id"]).rpartition("/restorepoints/")[0]
        body = {
            "location": to.region,
            "tags": tags.written(copied_words(snapshot, words, plain(source["id"]))),
            "properties": {"source": {"id": home}},
        }
        made = self._caller.call("compute", "restore_point_collections.create_or_update", group, name, body)
        asked: Json = {"sourceRestorePoint": {"id": plain(source["id"])}}
        if to.encryption_key:
            asked["sourceMetadata"] = {"storageProfile": {"dataDisks": _with_key(source, to.encryption_key)}}
        document = {"properties": asked}
        answer = self._caller.finish(
            "compute", "restore_points.begin_create", group, name, point, document, polling=False
        )
        if not point_lines(answer):
            raise Unavailable(f"Azure has not said yet what the copy {name} holds")
        return list(of_point(answer, {**made, "tags": body["tags"]}))

    def _copy_snapshot(self, snapshot: Snapshot, to: Destination, words: Mapping[str, str]) -> Snapshot:
        name = fitting(part(snapshot.id, "snapshots"), to.region)
        before = self._single.get(name)
        if before is not None:
            seen = of_snapshot(before)
            if seen.state is not SnapshotState.FAILED:
                return seen
            self._caller.finish("compute", "snapshots.begin_delete", self._caller.group, name)
        properties: Json = {
            "incremental": True,
            "creationData": {"createOption": "CopyStart", "sourceResourceId": snapshot.id},
        }
        if to.encryption_key:
            properties["encryption"] = {"type": CUSTOMER_KEY, "diskEncryptionSetId": to.encryption_key}
        spoken = {**copied_words(snapshot, words, snapshot.id), labels.SOURCE: snapshot.source}
        return self._single.put(name, {"location": to.region, "tags": tags.written(spoken), "properties": properties})

    def _named(self, name: str, point: str) -> list[Snapshot]:
        try:
            collection = self._caller.call("compute", "restore_point_collections.get", self._caller.group, name)
        except NotFound:
            return []
        return self._in(collection, point)

    def _in(self, collection: Json, point: str) -> list[Snapshot]:
        group, name = self._caller.group, str(collection["name"])
        try:
            found = self._caller.call("compute", "restore_points.get", group, name, point, expand="instanceView")
        except NotFound:
            return []
        return list(of_point(found, collection))


def _is_there(found: Json, region: str) -> bool:
    return is_copy(found) and plain(found.get("location")) == plain(region)


def _with_key(point: Json, key: str) -> list[Json]:
    """Return the disks of a restore point's copy, each with the key that is to encrypt it."""
    encryption = {"type": CUSTOMER_KEY, "diskEncryptionSet": {"id": key}}
    return [
        {
            "diskRestorePoint": {
                "sourceDiskRestorePoint": {"id": line["diskRestorePoint"]["id"]},
                "encryption": encryption,
            }
        }
        for line in point_lines(point)
    ]
