"""Block storage: Volume and VolumeAttachment."""

from __future__ import annotations

import zlib
from typing import Any

from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import EC2, tag_map, tag_specification
from lab.pulumi.aws.values import Properties

_VOLUME = {
    "availabilityZone": "AvailabilityZone",
    "encrypted": "Encrypted",
    "iops": "Iops",
    "kmsKeyId": "KmsKeyId",
    "multiAttachEnabled": "MultiAttachEnabled",
    "size": "Size",
    "snapshotId": "SnapshotId",
    "throughput": "Throughput",
    "type": "VolumeType",
}
_RESIZED = ("size", "type", "iops", "throughput")
_GONE = frozenset({"InvalidVolume.NotFound"})


def _volume(aws: Aws, volume: str) -> Any:
    return aws.call("ec2", "DescribeVolumes", VolumeIds=[volume])["Volumes"][0]


def _create_volume(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("volume", inputs.get("tags"))
    return str(aws.call("ec2", "CreateVolume", **picked(inputs, _VOLUME), TagSpecifications=tags)["VolumeId"])


def _volume_available(task: Task) -> None:
    def available() -> bool:
        return bool(_volume(task.aws, task.id)["State"] in ("available", "in-use"))

    task.aws.wait(f"volume {task.id} to be available", available, task.seconds)


def _read_volume(aws: Aws, volume: str, _: Properties) -> Properties | None:
    found = _volume(aws, volume)
    created = found.get("CreateTime")
    return {
        **seen(found, _VOLUME),
        "arn": aws.arn("ec2", f"volume/{volume}"),
        "createTime": created.isoformat() if created else None,
        "tags": tag_map(found.get("Tags")),
    }


def _resize(task: Task) -> None:
    asked = {name: task.news.get(name) for name in _RESIZED if name in task.changed}
    names = {name: _VOLUME[name] for name in _RESIZED}
    task.aws.call("ec2", "ModifyVolume", VolumeId=task.id, **picked(asked, names))


def _delete_volume(task: Task) -> None:
    if task.olds.get("finalSnapshot"):
        tags = tag_specification("snapshot", task.olds.get("tags"))
        task.aws.call("ec2", "CreateSnapshot", VolumeId=task.id, Description=task.id, TagSpecifications=tags)
    task.aws.call("ec2", "DeleteVolume", VolumeId=task.id)


VOLUME = ResourceType(
    type="aws:ebs/volume:Volume",
    create=_create_volume,
    finish=_volume_available,
    read=_read_volume,
    updates=[Update.of(_resize, *_RESIZED)],
    delete=_delete_volume,
    tagging=EC2,
    replace_on=frozenset(_VOLUME) - frozenset(_RESIZED),
    state_only=frozenset({"finalSnapshot"}),
    defaults={"finalSnapshot": False},
    computed=frozenset({"encrypted", "iops", "kmsKeyId", "size", "snapshotId", "throughput", "type"}),
    gone=_GONE,
    busy=frozenset({"VolumeInUse"}),
)

_ATTACHMENT = {"deviceName": "Device", "instanceId": "InstanceId", "volumeId": "VolumeId"}


def _attach(aws: Aws, inputs: Properties) -> str:
    aws.call("ec2", "AttachVolume", **picked(inputs, _ATTACHMENT))
    text = "-".join([inputs["deviceName"], inputs["instanceId"], inputs["volumeId"], ""])
    return f"vai-{zlib.crc32(text.encode())}"


def _tie(aws: Aws, state: Properties) -> Any | None:
    found = _volume(aws, state["volumeId"]).get("Attachments") or []
    return next((a for a in found if a["InstanceId"] == state["instanceId"] and a["State"] != "detached"), None)


def _attached(task: Task) -> None:
    def attached() -> bool:
        tie = _tie(task.aws, task.news)
        return tie is not None and tie["State"] == "attached"

    task.aws.wait(f"volume {task.news['volumeId']} to be attached", attached, task.seconds)


def _read_attachment(aws: Aws, _identifier: str, state: Properties) -> Properties | None:
    if not state.get("volumeId"):
        return None  # the id alone says nothing; an import has to give all three parts
    tie = _tie(aws, state)
    return seen(tie, _ATTACHMENT) if tie else None


def _detach(task: Task) -> None:
    """Detach the volume, first stopping the machine when asked to: what it still writes then reaches the disk."""
    if task.olds.get("skipDestroy") or _tie(task.aws, task.olds) is None:
        return
    if task.olds.get("stopInstanceBeforeDetaching"):
        _stop(task)
    force = bool(task.olds.get("forceDetach"))
    task.aws.call("ec2", "DetachVolume", **picked(task.olds, _ATTACHMENT), Force=force)
    waiting = f"volume {task.olds['volumeId']} to be detached"
    task.aws.wait(waiting, lambda: _tie(task.aws, task.olds) is None, task.seconds)


def _stop(task: Task) -> None:
    machine = task.olds["instanceId"]
    task.aws.call("ec2", "StopInstances", InstanceIds=[machine], Force=False)

    def stopped() -> bool:
        found = task.aws.call("ec2", "DescribeInstances", InstanceIds=[machine])["Reservations"]
        return all(i["State"]["Name"] in ("stopped", "terminated") for r in found for i in r["Instances"])

    task.aws.wait(f"instance {machine} to be stopped", stopped, task.seconds)


VOLUME_ATTACHMENT = ResourceType(
    type="aws:ec2/volumeAttachment:VolumeAttachment",
    create=_attach,
    finish=_attached,
    read=_read_attachment,
    delete=_detach,
    replace_on=frozenset(_ATTACHMENT),
    state_only=frozenset({"forceDetach", "skipDestroy", "stopInstanceBeforeDetaching"}),
    gone=_GONE | {"InvalidInstanceID.NotFound", "InvalidAttachment.NotFound"},
    delete_before_replace=True,
)
