"""From Azure's disks, restore points and snapshots, as JSON, to the core's values. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.ids import name_of, plain
from automation.adapters.azure.snapshots import ORIGINAL
from automation.core.backups import labels
from automation.core.backups.sets import MemberKind, Snapshot, SnapshotState, Source

GIB = 2**30
ROLES = {tags.FILE_SERVER: "shared-home", tags.MESH: "mesh"}
"""What the disks of a machine hold, by the machine's own role."""
PLATFORM_KEY = "platform-managed"
"""What stands for the key of a disk that Azure encrypts with a key of its own: none is ever unencrypted."""
DEVICE = "/dev/disk/azure/scsi1/lun{}"
"""Where Linux on Azure shows a data disk."""
ALONE = {"PremiumV2_LRS", "UltraSSD_LRS"}
"""Kinds of disks of which Azure makes no crash-consistent restore point."""
_ATTACHED = {"Attached", "Reserved"}
"""Reserved is attached to a machine that is switched off."""
_STATES = {"Succeeded": SnapshotState.COMPLETED, "Failed": SnapshotState.FAILED, "Canceled": SnapshotState.FAILED}
Json = dict[str, Any]


def source(disk: Json, line: Json, machine: Json) -> Source:
    """Read a disk as a line of a machine's storage profile has it attached."""
    properties = disk.get("properties") or {}
    state, provisioned = str(properties.get("diskState")), str(properties.get("provisioningState"))
    well = state in _ATTACHED and provisioned == "Succeeded"
    facts = {
        "device": DEVICE.format(line["lun"]),
        "lun": line["lun"],
        "instance": plain(machine["id"]),
        "type": (disk.get("sku") or {}).get("name"),
        "iops": properties.get("diskIOPSReadWrite"),
        "throughput": properties.get("diskMBpsReadWrite"),
        "size_gib": properties.get("diskSizeGB"),
        "location": disk.get("location"),
        "shares": properties.get("maxShares"),
    }
    return Source(
        kind=MemberKind.DISK,
        id=plain(disk["id"]),
        role=ROLES[tags.read(machine)[tags.ROLE]],
        group=plain(machine["id"]),
        state=state,
        problem="" if well else f"volume_state: it is {state} and {provisioned}, not Attached and Succeeded",
        size=int(properties.get("diskSizeGB") or 0) * GIB,
        zone=str((disk.get("zones") or [""])[0]) or str(disk.get("location") or ""),
        encryption_key=key_of(properties.get("encryption")),
        facts={name: str(value) for name, value in facts.items() if value not in {None, ""}},
    )


def fit_together(sources: Sequence[Source]) -> bool:
    """Tell whether a restore point of these disks of one machine can be had, and is worth more than a snapshot.

    A single disk is at one instant by itself; its snapshot keeps the disk's own key, which a restore point does not.
    """
    kinds = {source.facts.get("type", "") for source in sources}
    shared = any(int(source.facts.get("shares", "1")) > 1 for source in sources)
    return len(sources) > 1 and not kinds & ALONE and not shared


def key_of(encryption: Mapping[str, Any] | None) -> str:
    """Return the disk encryption set with which something is encrypted, or the platform's key."""
    found = encryption or {}
    return plain(found.get("diskEncryptionSetId") or (found.get("diskEncryptionSet") or {}).get("id")) or PLATFORM_KEY


def data_lines(machine: Json) -> list[Json]:
    """Return the lines of a machine's data disks."""
    return list(((machine.get("properties") or {}).get("storageProfile") or {}).get("dataDisks") or ())


def system_disk(machine: Json) -> str:
    """Return the id of the disk with the machine's operating system."""
    line = ((machine.get("properties") or {}).get("storageProfile") or {}).get("osDisk") or {}
    return str((line.get("managedDisk") or {}).get("id") or "")


def of_point(point: Json, collection: Json) -> Iterator[Snapshot]:
    """Yield what a restore point holds: one snapshot a disk, with the tags of its collection."""
    properties, words = point.get("properties") or {}, tags.words(collection)
    state = _STATES.get(str(properties.get("provisioningState")), SnapshotState.PENDING)
    for line in point_lines(point):
        held = line.get("diskRestorePoint") or {}
        disk = plain((line.get("managedDisk") or {}).get("id"))
        percent = _percent(properties, plain(held.get("id")))
        done = state is SnapshotState.COMPLETED and percent == 100
        reached = SnapshotState.PENDING if state is SnapshotState.COMPLETED and not done else state
        yield Snapshot(
            kind=MemberKind.DISK,
            id=plain(held.get("id")) or plain(f"{point['id']}/diskRestorePoints/{name_of(disk)}"),
            source=plain((held.get("sourceDiskRestorePoint") or {}).get("id")) or disk,
            state=reached,
            at=seconds(properties.get("timeCreated")),
            percent=percent if state is SnapshotState.COMPLETED else 0,
            size=int(line.get("diskSizeGB") or 0) * GIB,
            encryption_key=key_of(held.get("encryption") or line.get("managedDisk")),
            tags={**words, labels.SOURCE: disk},
            problem=_problem(properties) if state is SnapshotState.FAILED else "",
            region=str(collection.get("location") or ""),
        )


def point_lines(point: Json) -> list[Json]:
    """Return the lines of the data disks in a restore point; empty while Azure has not described it."""
    described = (point.get("properties") or {}).get("sourceMetadata") or {}
    return list((described.get("storageProfile") or {}).get("dataDisks") or ())


def of_snapshot(found: Json) -> Snapshot:
    """Read an incremental snapshot of one disk, or a copy of one."""
    properties, words = found.get("properties") or {}, tags.words(found)
    broken = properties.get("copyCompletionError") or {}
    percent = int(100 if properties.get("completionPercent") is None else properties["completionPercent"])
    state = _STATES.get(str(properties.get("provisioningState")), SnapshotState.PENDING)
    if state is SnapshotState.COMPLETED and percent < 100:
        state = SnapshotState.PENDING
    state = SnapshotState.FAILED if broken else state
    return Snapshot(
        kind=MemberKind.DISK,
        id=plain(found["id"]),
        source=words.get(ORIGINAL) or words.get(labels.SOURCE, ""),
        state=state,
        at=seconds(properties.get("timeCreated")),
        percent=percent if state is not SnapshotState.FAILED else 0,
        size=int(properties.get("diskSizeGB") or 0) * GIB,
        encryption_key=key_of(properties.get("encryption")),
        tags=words,
        problem=str(broken.get("errorMessage") or "the snapshot failed") if state is SnapshotState.FAILED else "",
        region=str(found.get("location") or ""),
    )


def seconds(text: object) -> float | None:
    """Return a time of Azure's, seconds since the epoch; None for none."""
    return datetime.fromisoformat(str(text)).timestamp() if text else None


def _percent(properties: Mapping[str, Any], disk_point: str) -> int:
    """Return how far a disk's copy is; what was not copied from elsewhere says nothing of it and is whole."""
    lines = (properties.get("instanceView") or {}).get("diskRestorePoints") or ()
    told = [(line.get("replicationStatus") or {}) for line in lines if plain(line.get("id")) == disk_point]
    percents = [int(one["completionPercent"]) for one in told if one.get("completionPercent") is not None]
    return min(percents, default=100)


def _problem(properties: Mapping[str, Any]) -> str:
    statuses = (properties.get("instanceView") or {}).get("statuses") or ()
    told = [str(one.get("message") or one.get("displayStatus") or "") for one in statuses]
    return "; ".join(one for one in told if one) or "Azure could not make the restore point"
