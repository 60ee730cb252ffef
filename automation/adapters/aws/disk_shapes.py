"""From EC2's volumes and snapshots to the core's values. No I/O."""

from __future__ import annotations

from typing import Any

from automation.adapters.aws import tags
from automation.adapters.aws.snapshots import GIB
from automation.core.backups import labels
from automation.core.backups.sets import MemberKind, Snapshot, SnapshotState, Source

ROLES = {"file-server": "shared-home", "mesh": "mesh"}
"""What the disks of a machine hold, by the machine's own role."""
_STATES = {"completed": SnapshotState.COMPLETED, "error": SnapshotState.FAILED}
Json = dict[str, Any]


def source(volume: Json, attached: Json, machine: Json) -> Source:
    """Read a volume as it is attached to a machine."""
    state, bound = str(volume.get("State")), str(attached.get("State"))
    well = state == "in-use" and bound == "attached"
    facts = {
        "device": attached.get("Device"),
        "instance": attached["InstanceId"],
        "type": volume.get("VolumeType"),
        "iops": volume.get("Iops"),
        "throughput": volume.get("Throughput"),
        "size_gib": volume.get("Size"),
    }
    return Source(
        kind=MemberKind.DISK,
        id=str(volume["VolumeId"]),
        role=ROLES[tags.read(machine.get("Tags"))[tags.ROLE]],
        group=str(attached["InstanceId"]),
        state=state,
        problem="" if well else f"volume_state: it is {state} and {bound}, not in-use and attached",
        size=int(volume.get("Size") or 0) * GIB,
        zone=str(volume.get("AvailabilityZone") or ""),
        encryption_key=str(volume.get("KmsKeyId") or "") if volume.get("Encrypted") else "",
        facts={name: str(value) for name, value in facts.items() if value},
    )


def is_root(attached: Json, machine: Json) -> bool:
    """Tell whether the volume holds the operating system."""
    return bool(attached.get("Device") == machine.get("RootDeviceName"))


def snapshot(found: Json, region: str) -> Snapshot:
    """Read a snapshot as DescribeSnapshots has it, or CreateSnapshots, which names its state differently."""
    words, started = tags.words(found.get("Tags")), found.get("StartTime")
    progress = str(found.get("Progress") or "").rstrip("%")
    state = _STATES.get(str(found.get("State") or found.get("Status")), SnapshotState.PENDING)
    return Snapshot(
        kind=MemberKind.DISK,
        id=str(found["SnapshotId"]),
        # A copy names no volume that exists; its tag does.
        source=words.get(labels.SOURCE) or str(found.get("VolumeId") or ""),
        state=state,
        at=started.timestamp() if started else None,
        percent=100 if state is SnapshotState.COMPLETED else int(progress) if progress.isdigit() else 0,
        size=int(found.get("VolumeSize") or 0) * GIB,
        encryption_key=str(found.get("KmsKeyId") or "") if found.get("Encrypted") else "",
        tags=words,
        problem=str(found.get("StateMessage") or "") if state is SnapshotState.FAILED else "",
        region=region,
    )
