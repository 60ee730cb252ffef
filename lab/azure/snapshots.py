"""Snapshots of disks: the moment is that of the call; a copy from another region (CopyStart) takes its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lab.azure import errors
from lab.azure.disks import (
    DISK,
    SNAPSHOT,
    VERSIONS,
    Held,
    check_encryption,
    keep_made,
    new_name,
    source_of,
    use_key,
)
from lab.azure.errors import ArmError
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json
from lab.azure.operations import Steps, iso
from lab.azure.resources import Resource
from lab.unlocked import unlocked


@dataclass(slots=True)
class Snapshots(Kind):
    """Snapshots."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False

    def accept(self, change: Change) -> Json:
        """Check the source and the way it is copied."""
        document = Kind.accept(self, change)
        keep_made(change, document)
        data = document.get("properties", {}).get("creationData") or {}
        option = data.get("createOption")
        if option not in {"Copy", "CopyStart"}:
            raise errors.invalid("The value of parameter 'creationData.createOption' is invalid.")
        if change.old is None:
            self._check_source(document, str(option))
        check_encryption(self, document)
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - what it was is in the resource
        """Copy the disk at this moment, or begin to copy a snapshot."""
        if resource.own is None:
            option = resource.properties["creationData"]["createOption"]
            yield from self._start(resource) if option == "CopyStart" else self._take(resource)
        return None

    def remove(self, resource: Resource) -> Steps:
        """Remove what it held."""
        yield self.world.after(self.world.timings.disk)
        if resource.own is not None:
            self.world.storage.delete_snapshot(resource.own.name)
        return None

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return a snapshot with the progress of its copy."""
        found = Kind.show(self, resource, query)
        if isinstance(resource.own, Held):
            found["properties"]["completionPercent"] = resource.own.percent(self.world.clock.now())
            if resource.own.trouble and self.world.clock.now() >= resource.own.due:
                error = {"errorCode": "CopySourceNotFound", "errorMessage": resource.own.trouble}
                found["properties"] |= {"copyCompletionError": error, "completionPercent": 0.0}
        return found

    # --- inner workings ------------------------------------------------------------------------------------------

    def _check_source(self, document: Json, option: str) -> None:
        source = source_of(self, document, {DISK: "Disk", SNAPSHOT: "Snapshot"})
        properties = document["properties"]
        if source is None:
            raise errors.invalid("Required parameter 'creationData.sourceResourceId' is missing (null).")
        same = source.location.lower() == str(document.get("location", "")).lower()
        if option == "Copy" and not same:
            message = (
                f"The source {source.name} is in region {source.location}: use CopyStart for a copy in another one."
            )
            raise errors.invalid(message)
        if option == "CopyStart" and source.target.kind.lower() != SNAPSHOT.lower():
            raise errors.invalid("CopyStart copies snapshots only.")
        if option == "CopyStart" and not (properties.get("incremental") and source.properties.get("incremental")):
            raise errors.invalid("CopyStart copies incremental snapshots only.")
        properties.setdefault("diskSizeGB", source.properties.get("diskSizeGB"))

    def _take(self, resource: Resource) -> Steps:
        use_key(self, resource)
        source = self.world.resources.get(resource.properties["creationData"]["sourceResourceId"])
        held = Held(new_name("snap"))
        if source.target.kind.lower() == SNAPSHOT.lower():
            self.world.storage.copy_snapshot(source.own.name, held.name)
            taken = self.world.clock.now()
        else:
            wanted = {held.name: source.own.name}
            with unlocked(self.world.lock):
                taken = self.world.storage.snapshot_volumes(wanted, self.world.clock.now)
        self._made(resource, held, taken)
        yield self.world.after(self.world.timings.snapshot + self.world.faults.snapshot_delay())
        if self.world.faults.snapshot_fails("volume"):
            raise ArmError(500, "InternalExecutionError", "An internal execution error occurred. Please retry later.")
        return None

    def _start(self, resource: Resource) -> Steps:
        source = self.world.resources.get(resource.properties["creationData"]["sourceResourceId"])
        now = self.world.clock.now()
        held = Held(new_name("snap"), now, now + self.world.timings.copying + self.world.faults.snapshot_delay())
        self.world.storage.copy_snapshot(source.own.name, held.name)
        if self.world.faults.snapshot_fails("volume"):
            held.trouble = f"The source {source.name} could not be read."
        use_key(self, resource)
        self._made(resource, held, now)
        yield self.world.after(self.world.timings.disk)
        return None

    def _made(self, resource: Resource, held: Held, taken: float) -> None:
        resource.own = held
        resource.properties |= {"timeCreated": iso(taken), "uniqueId": held.name, "diskState": "Unattached"}
        self.world.emit(
            "snapshot", snapshot=resource.id, source=resource.properties["creationData"]["sourceResourceId"]
        )
