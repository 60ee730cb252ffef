"""Incremental snapshots of disks, one by one: where a restore point of the whole machine cannot be had, or need not."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.disk_shapes import of_snapshot
from automation.adapters.azure.ids import fitting, name_of, part, plain
from automation.adapters.azure.session import Caller
from automation.adapters.azure.snapshots import is_copy, is_going, is_of, refuse_other
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, SetState, Snapshot, Source
from automation.ports.errors import Conflict, NotFound

CUSTOMER_KEY = "EncryptionAtRestWithCustomerKey"
_AT_ONCE = 8
Json = dict[str, Any]


class DiskSnapshots:
    """Makes, finds, labels and deletes them."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster

    def begin(self, of: BackupSet, sources: tuple[Source, ...], words: Mapping[str, str]) -> list[Snapshot]:
        """Send one PUT for each disk, all at the same time; a set's name is the same for every try."""
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(sources))) as pool:
            return list(pool.map(lambda source: self._take(of, source, words), sources))

    def found(self, set_id: str | None, region: str) -> list[Snapshot]:
        """Return those of the cluster's sets, or of one, in a region; copies beside their originals are left out."""
        listed = [one for one in self.listed(set_id) if plain(one.get("location")) == region]
        return [of_snapshot(one) for one in listed if not is_copy(one)]

    def listed(self, set_id: str | None) -> list[Json]:
        """Return what Azure has of them, copies too."""
        found = self._caller.pages("compute", "snapshots.list_by_resource_group", self._caller.group)
        return [one for one in found if is_of(one, self._cluster, set_id) and not is_going(one)]

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state on one."""
        name = part(snapshot.id, "snapshots")
        found = self.get(name)
        if found is None:
            raise NotFound(f"there is no snapshot {name}")
        words = tags.read(found) | tags.written({labels.STATE: state.value})
        self._caller.begin("compute", "snapshots.begin_update", self._caller.group, name, {"tags": words})

    def delete(self, snapshot: Snapshot) -> None:
        """Delete one that still belongs to the set that it was seen with."""
        name = part(snapshot.id, "snapshots")
        found = self.get(name)
        if found is None:
            return
        refuse_other(snapshot, tags.words(found))
        try:
            self._caller.begin("compute", "snapshots.begin_delete", self._caller.group, name)
        except NotFound:  # somebody was faster
            return

    def get(self, name: str) -> Json | None:
        """Return one by its name; None when it is not there, or on its way out."""
        try:
            found: Json = self._caller.call("compute", "snapshots.get", self._caller.group, name)
        except NotFound:
            return None
        return None if is_going(found) else found

    def put(self, name: str, body: Json) -> Snapshot:
        """Begin one."""
        made = self._caller.finish(
            "compute", "snapshots.begin_create_or_update", self._caller.group, name, body, polling=False
        )
        return of_snapshot({**made, "tags": body["tags"]})

    def _take(self, of: BackupSet, source: Source, words: Mapping[str, str]) -> Snapshot:
        own = {"type": CUSTOMER_KEY, "diskEncryptionSetId": source.encryption_key}
        body = {
            "location": source.facts["location"],
            "tags": tags.written({**words, labels.SOURCE: source.id}),
            "properties": {
                "incremental": True,
                "creationData": {"createOption": "Copy", "sourceResourceId": source.id},
                **({"encryption": own} if source.encryption_key.startswith("/") else {}),
            },
        }
        name = fitting("bbdc", of.id, name_of(source.id))
        try:
            return self.put(name, body)
        except Conflict:  # a first try whose answer was lost may have begun it
            found = self.get(name)
            if found is None or not is_of(found, self._cluster, of.id):
                raise
            return of_snapshot(found)
