"""Restore points: all disks of one virtual machine at one moment; copies of them in another region."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from lab.azure import errors
from lab.azure.disks import DISK_POINT, Held, check_encryption, new_name
from lab.azure.errors import ArmError
from lab.azure.instances import VM
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json
from lab.azure.operations import Steps, iso
from lab.azure.paths import key, name_of, parse
from lab.azure.resources import Resource
from lab.unlocked import unlocked

COLLECTION = "Microsoft.Compute/restorePointCollections"
POINT = "Microsoft.Compute/restorePointCollections/restorePoints"
VERSIONS = ("2021-03-01", "2026-04-01")
ALONE = {"PremiumV2_LRS", "UltraSSD_LRS"}
"""Kinds of disks that have no crash-consistent restore points."""


@dataclass(slots=True)
class Collections(Kind):
    """Collections: one for a machine, or for the copies of another collection."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True

    def accept(self, change: Change) -> Json:
        """Check the source."""
        document = Kind.accept(self, change)
        wanted = (document.get("properties", {}).get("source") or {}).get("id", "")
        source = self.world.resources.find(str(wanted)) if wanted else None
        if source is None or source.target.kind.lower() not in {VM.lower(), COLLECTION.lower()}:
            raise ArmError(404, "NotFound", f"The source {wanted} of the restore point collection is not found.")
        same = source.location.lower() == str(document.get("location", "")).lower()
        if source.target.kind.lower() == VM.lower() and not same:
            raise errors.invalid("A restore point collection stands in the region of its virtual machine.")
        if change.old is not None and key(change.old.properties["source"]["id"]) != key(str(wanted)):
            raise errors.conflict("Changing property 'source' is not allowed.", "PropertyChangeNotAllowed")
        document["properties"]["source"]["location"] = source.location
        return document

    def remove(self, resource: Resource) -> Steps:
        """Remove every restore point in it."""
        for point in self.world.resources.below(f"{resource.id}/restorePoints"):
            yield from self.world.kind(POINT).remove(point)
        return None

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return a collection, with its restore points when asked."""
        found = Kind.show(self, resource, query)
        if query.get("$expand", "").lower() == "restorepoints":
            points = self.world.resources.below(f"{resource.id}/restorePoints")
            found["properties"]["restorePoints"] = [self.world.kind(POINT).show(one, {}) for one in points]
        return found


@dataclass(slots=True)
class Points(Kind):
    """Restore points."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    synchronous: ClassVar[bool] = False

    def accept(self, change: Change) -> Json:
        """Refuse to change one that is there."""
        if change.old is not None:
            raise errors.conflict("Update is not supported for restore points.", "OperationNotAllowed")
        document = Kind.accept(self, change)
        properties = document.setdefault("properties", {})
        mode = properties.setdefault("consistencyMode", "ApplicationConsistent")
        if mode not in {"CrashConsistent", "ApplicationConsistent", "FileSystemConsistent"}:
            raise errors.invalid(f"The value '{mode}' of parameter 'consistencyMode' is invalid.")
        source = self._source(change.target.owner(), properties)
        if source.target.kind.lower() == VM.lower() and mode == "CrashConsistent":
            self._check_kinds(source, properties)
        if source.target.kind.lower() == POINT.lower():
            location = self.world.resources.get(change.target.owner()).location
            for key_set in _encryption(properties).values():
                check_encryption(self, {"location": location, "properties": {"encryption": key_set}})
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - it is never changed
        """Copy all disks of the machine at this moment, or begin to copy another restore point."""
        source = self._source(resource.target.owner(), resource.properties)
        if source.target.kind.lower() == POINT.lower():
            yield from self._copy(resource, source)
        else:
            yield from self._take(resource, source)
        return None

    def failed(self, resource: Resource) -> None:
        """Remove what was copied; the failed restore point stays to be looked at."""
        for one in self.world.resources.below(f"{resource.id}/diskRestorePoints"):
            self.world.storage.delete_snapshot(one.own.name)
            self.world.resources.remove(one)
        Kind.failed(self, resource)

    def remove(self, resource: Resource) -> Steps:
        """Remove what it held."""
        yield self.world.after(self.world.timings.disk)
        for one in self.world.resources.below(f"{resource.id}/diskRestorePoints"):
            self.world.storage.delete_snapshot(one.own.name)
        return None

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return a restore point, with the progress of its disks when asked."""
        found = Kind.show(self, resource, query)
        if query.get("$expand", "").lower() == "instanceview":
            disks = self.world.resources.below(f"{resource.id}/diskRestorePoints")
            now = self.world.clock.now()
            lines = [
                {"id": one.id, "replicationStatus": {"completionPercent": int(one.own.percent(now))}} for one in disks
            ]
            status = {"code": f"ProvisioningState/{resource.state.lower()}", "level": "Info"}
            found["properties"]["instanceView"] = {"statuses": [status], "diskRestorePoints": lines}
        return found

    # --- inner workings ------------------------------------------------------------------------------------------

    def _check_kinds(self, machine: Resource, properties: Json) -> None:
        """Refuse disks of kinds that have no crash-consistent restore points."""
        for disk in (self.world.resources.get(line["managedDisk"]["id"]) for line in _lines(machine, properties)):
            kind = (disk.document.get("sku") or {}).get("name")
            if kind in ALONE or int(disk.properties.get("maxShares") or 1) > 1:
                message = f"Disk '{disk.name}' of the type {kind} is not supported in a crash-consistent restore point."
                raise errors.invalid(message, "OperationNotAllowed")

    def _source(self, collection: str, properties: Json) -> Resource:
        """Return the machine or the restore point that is copied. Raises ArmError when it is not there."""
        owner = self.world.resources.get(collection)
        source = self.world.resources.find(owner.properties["source"]["id"])
        wanted = (properties.get("sourceRestorePoint") or {}).get("id")
        if source is None:
            raise ArmError(404, "NotFound", f"The source {owner.properties['source']['id']} is not found.")
        if source.target.kind.lower() == VM.lower():
            return source
        found = self.world.resources.find(str(wanted)) if wanted else None
        if found is None or key(found.target.owner()) != key(source.id):
            raise ArmError(404, "NotFound", f"The source restore point {wanted} is not found.")
        return found

    def _take(self, resource: Resource, machine: Resource) -> Steps:
        lines = _lines(machine, resource.properties)
        disks = [self.world.resources.get(line["managedDisk"]["id"]) for line in lines]
        names = [new_name("snap") for _ in disks]
        wanted = {name: disk.own.name for name, disk in zip(names, disks, strict=True)}
        with unlocked(self.world.lock):
            taken = self.world.storage.snapshot_volumes(wanted, self.world.clock.now)
        for name, disk in zip(names, disks, strict=True):
            self._disk_point(resource, disk, Held(name))
        self._describe(resource, machine, taken, lines)
        self.world.emit("snapshot", snapshot=resource.id, source=machine.id)
        yield self.world.after(self.world.timings.restore_point + self.world.faults.snapshot_delay())
        if self.world.faults.snapshot_fails("volume"):
            raise ArmError(500, "InternalExecutionError", "An internal execution error occurred. Please retry later.")
        return None

    def _copy(self, resource: Resource, source: Resource) -> Steps:
        wanted, now = _encryption(resource.properties), self.world.clock.now()
        due = now + self.world.timings.copying + self.world.faults.snapshot_delay()
        for one in self.world.resources.below(f"{source.id}/diskRestorePoints"):
            held = Held(new_name("snap"), now, due)
            self.world.storage.copy_snapshot(one.own.name, held.name)
            self._disk_point(resource, one, held)
        for name in ("sourceMetadata", "timeCreated", "consistencyMode"):
            resource.properties[name] = copy.deepcopy(source.properties[name])
        _point_to(resource, wanted)
        yield self.world.after(self.world.timings.restore_point)
        return None

    def _disk_point(self, resource: Resource, disk: Resource, held: Held) -> None:
        owner = self.world.resources.get(resource.target.owner())
        document: Json = {
            "location": owner.location,
            "properties": {
                "sourceResourceId": disk.properties.get("sourceResourceId", disk.id),
                "timeCreated": iso(self.world.clock.now()),
                "diskSizeGB": disk.properties.get("diskSizeGB"),
                "sourceUniqueId": disk.properties.get("uniqueId", ""),
            },
        }
        made = Resource(parse(f"{resource.id}/diskRestorePoints/{disk.name}"), document, held)
        self.world.resources.put(made)

    def _describe(self, resource: Resource, machine: Resource, taken: float, lines: list[Json]) -> None:
        shown = [
            {"name": line.get("name"), "lun": line.get("lun"), "managedDisk": {"id": line["managedDisk"]["id"]}}
            for line in lines
        ]
        system = [line for line in shown if line["lun"] is None]
        resource.properties |= {
            "timeCreated": iso(taken),
            "sourceMetadata": {
                "vmId": machine.properties.get("vmId"),
                "location": machine.location,
                "hardwareProfile": machine.properties.get("hardwareProfile"),
                "storageProfile": {
                    "osDisk": system[0] if system else None,
                    "dataDisks": [line for line in shown if line["lun"] is not None],
                },
            },
        }
        _point_to(resource)


def _lines(machine: Resource, properties: Json) -> list[Json]:
    """Return the lines of a machine's disks that a restore point is to hold."""
    excluded = {key(one["id"]) for one in properties.get("excludeDisks") or []}
    profile = machine.properties.get("storageProfile") or {}
    lines = [profile.get("osDisk") or {}, *(profile.get("dataDisks") or [])]
    return [line for line in lines if line and key(line["managedDisk"]["id"]) not in excluded]


def _point_to(resource: Resource, encryption: Mapping[str, Json] = MappingProxyType({})) -> None:
    """Let the description of a restore point lead to its own disks, and of a copy to the originals' as well."""
    profile = resource.properties["sourceMetadata"]["storageProfile"]
    lines = [*(profile["dataDisks"] or []), *([profile["osDisk"]] if profile["osDisk"] else [])]
    for line in lines:
        before = (line.get("diskRestorePoint") or {}).get("id")
        found: Json = {"id": f"{resource.id}/diskRestorePoints/{name_of(line['managedDisk']['id'])}"}
        if before:
            found["sourceDiskRestorePoint"] = {"id": before}
        if before and key(before) in encryption:
            own = encryption[key(before)]
            found["encryption"] = {"type": own["type"], "diskEncryptionSet": {"id": own["diskEncryptionSetId"]}}
        line["diskRestorePoint"] = found


def _encryption(properties: Json) -> dict[str, Json]:
    """Return the keys asked for in a copy: by the original of each disk, as a disk's own document has them."""
    profile = ((properties.get("sourceMetadata") or {}).get("storageProfile")) or {}
    asked = [line.get("diskRestorePoint") or {} for line in profile.get("dataDisks") or []]
    return {
        key(one["sourceDiskRestorePoint"]["id"]): {
            "type": one["encryption"].get("type"),
            "diskEncryptionSetId": one["encryption"]["diskEncryptionSet"]["id"],
        }
        for one in asked
        if one.get("encryption") and one.get("sourceDiskRestorePoint")
    }


@dataclass(slots=True)
class DiskPoints(Kind):
    """What a restore point holds of one disk; made and removed with it."""

    versions: ClassVar[tuple[str, str]] = ("2020-09-30", "2026-03-02")

    def accept(self, change: Change) -> Json:
        """Refuse: nobody makes one by itself."""
        raise errors.ArmError(405, "MethodNotAllowed", f"{change.target.what()} belongs to its restore point.")

    def check_removal(self, resource: Resource) -> None:
        """Refuse: it goes with its restore point."""
        raise errors.ArmError(405, "MethodNotAllowed", f"{resource.target.what()} belongs to its restore point.")

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return it with the progress of its copy."""
        found = Kind.show(self, resource, query)
        found["properties"]["completionPercent"] = resource.own.percent(self.world.clock.now())
        return found


KINDS: Mapping[str, type[Kind]] = {COLLECTION: Collections, POINT: Points, DISK_POINT: DiskPoints}
