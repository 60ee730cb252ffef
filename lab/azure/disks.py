"""Managed disks: empty, or with what a snapshot, another disk or a restore point holds."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import ClassVar

from lab.azure import errors
from lab.azure.errors import ArmError
from lab.azure.kinds import Change, Kind, Statuses
from lab.azure.messages import Json
from lab.azure.operations import Steps, iso
from lab.azure.resources import Resource

DISK, SNAPSHOT = "Microsoft.Compute/disks", "Microsoft.Compute/snapshots"
DISK_POINT = "Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints"
ENCRYPTION_SET = "Microsoft.Compute/diskEncryptionSets"
VERSIONS = ("2016-04-30", "2026-03-02")
STATUSES = Statuses(create=202, update=202, patch=202)
KEPT = ("timeCreated", "uniqueId", "diskState", "completionPercent", "incremental", "creationData")
"""What a PUT does not change once a disk or a snapshot is there."""


@dataclass(slots=True)
class Held:
    """What a disk, snapshot or restore point keeps: a volume's or a snapshot's name in the storage port.

    Attributes:
        begun, due: when it was begun to be copied from elsewhere, and will be complete.
        trouble: why the copy failed; empty when it did not.
    """

    name: str
    begun: float = 0.0
    due: float = 0.0
    trouble: str = ""

    def percent(self, now: float) -> float:
        """Return how far the copy is, 0 to 100."""
        if self.due <= self.begun or now >= self.due:
            return 100.0
        return max(0.0, min(99.0, 100 * (now - self.begun) / (self.due - self.begun)))


def new_name(kind: str) -> str:
    """Return a name for the storage port."""
    return f"{kind}-{secrets.token_hex(6)}"


def source_of(kind: Kind, document: Json, allowed: dict[str, str]) -> Resource | None:
    """Return what a disk or snapshot is made from; None for an empty one.

    Args:
        kind: for the world it is in.
        document: of the disk or snapshot.
        allowed: type of source -> what errors call it.

    Raises:
        ArmError: there is no such source, it is incomplete, or in another region.
    """
    data = document.get("properties", {}).get("creationData") or {}
    identity = data.get("sourceResourceId")
    if not identity:
        return None
    source = kind.world.resources.find(str(identity))
    if source is None or source.target.kind.lower() not in {one.lower() for one in allowed}:
        raise ArmError(404, "NotFound", f"Resource {identity} is not found.")
    if source.state not in {"Succeeded", "Updating"}:
        raise errors.conflict(f"The source {source.name} is in state {source.state}.")
    if isinstance(source.own, Held) and (source.own.trouble or source.own.percent(kind.world.clock.now()) < 100):
        raise errors.conflict(f"The source {source.name} has not been copied completely.")
    return source


def check_encryption(kind: Kind, document: Json) -> None:
    """Refuse an encryption set that does not exist, or not in the region."""
    wanted = (document.get("properties", {}).get("encryption") or {}).get("diskEncryptionSetId")
    if not wanted:
        return
    found = kind.world.resources.find(str(wanted))
    if found is None or found.target.kind.lower() != ENCRYPTION_SET.lower():
        raise ArmError(404, "NotFound", f"DiskEncryptionSet {wanted} is not found.")
    if found.location.lower() != str(document.get("location", "")).lower():
        raise errors.invalid(f"DiskEncryptionSet {found.name} is in another region.", "BadRequest")


def use_key(kind: Kind, resource: Resource) -> None:
    """Use the key of a resource that has one of its own.

    Raises:
        ArmError: the key vault refuses.
    """
    own = (resource.properties.get("encryption") or {}).get("diskEncryptionSetId")
    if own and kind.world.faults.key_denied():
        message = f"The disk encryption set {own} has no access to its key: the key vault refused."
        raise ArmError(409, "KeyVaultAccessForbidden", message)


def keep_made(change: Change, document: Json) -> None:
    """Carry over what a disk or snapshot got when it was made."""
    if change.old is not None:
        old = change.old.properties
        document.setdefault("properties", {}).update({name: old[name] for name in KEPT if name in old})


@dataclass(slots=True)
class Disks(Kind):
    """Disks."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False

    def accept(self, change: Change) -> Json:
        """Check the source, the size and the key."""
        document = Kind.accept(self, change)
        keep_made(change, document)
        properties = document.setdefault("properties", {})
        if not (properties.get("creationData") or {}).get("createOption"):
            raise errors.invalid("Required parameter 'creationData' is missing (null).")
        source = None if change.old is not None else self._source(document)
        least = _size(source.document) if source is not None else 0
        if change.old is not None:
            least = _size(change.old.document)
        properties.setdefault("diskSizeGB", least or None)
        if properties["diskSizeGB"] is None:
            raise errors.invalid("Required parameter 'diskSizeGB' is missing (null).")
        if int(properties["diskSizeGB"]) < least:
            message = f"Disk {change.target.names[-1]} cannot be smaller than {least} GiB."
            raise errors.invalid(message, "OperationNotAllowed")
        check_encryption(self, document)
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - what it was is in the resource
        """Make the disk."""
        yield self.world.after(self.world.timings.disk)
        if resource.own is not None:
            return None
        use_key(self, resource)
        source = self._source(resource.document)
        held = Held(new_name("disk"))
        self.world.storage.create_volume(held.name, None if source is None else source.own.name)
        resource.own = held
        resource.properties |= {
            "timeCreated": iso(self.world.clock.now()),
            "uniqueId": held.name,
            "diskState": "Unattached",
        }
        return None

    def check_removal(self, resource: Resource) -> None:
        """Refuse while it is attached."""
        if resource.document.get("managedBy"):
            raise errors.conflict(f"Disk {resource.name} is attached to VM {resource.document['managedBy']}.")

    def remove(self, resource: Resource) -> Steps:
        """Remove what it held."""
        yield self.world.after(self.world.timings.disk)
        if resource.own is not None:
            self.world.storage.delete_volume(resource.own.name)
        return None

    def _source(self, document: Json) -> Resource | None:
        source = source_of(self, document, {SNAPSHOT: "Snapshot", DISK_POINT: "Restore point"})
        if source is not None and source.location.lower() != str(document.get("location", "")).lower():
            message = f"The source {source.name} is in region {source.location}: a disk needs one in its own region."
            raise errors.invalid(message, "InvalidParameter")
        return source


def _size(document: Json) -> int:
    return int(document.get("properties", {}).get("diskSizeGB") or 0)
