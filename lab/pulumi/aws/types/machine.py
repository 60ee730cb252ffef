"""Instance: one machine on its own, with its root volume."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import EC2, ec2_tags, tag_map, tag_specification
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

_PLAIN = {
    "ami": "ImageId",
    "instanceType": "InstanceType",
    "keyName": "KeyName",
    "ebsOptimized": "EbsOptimized",
    "disableApiTermination": "DisableApiTermination",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
}
_DISK = {
    "volumeSize": "VolumeSize",
    "volumeType": "VolumeType",
    "iops": "Iops",
    "throughput": "Throughput",
    "encrypted": "Encrypted",
    "kmsKeyId": "KmsKeyId",
    "deleteOnTermination": "DeleteOnTermination",
    "snapshotId": "SnapshotId",
}
_METADATA = ("httpEndpoint", "httpProtocolIpv6", "httpPutResponseHopLimit", "httpTokens", "instanceMetadataTags")
_STOPPED = ("instanceType", "userData", "userDataBase64", "ebsOptimized")
"""Properties that the service changes on a stopped machine only."""
_LIVING = ("pending", "running", "stopping", "stopped")


def _described(aws: Aws, instance: str) -> Any | None:
    found = aws.call("ec2", "DescribeInstances", InstanceIds=[instance])["Reservations"]
    machines = [i for r in found for i in r["Instances"] if i["State"]["Name"] in _LIVING]
    return machines[0] if machines else None


def _create(aws: Aws, inputs: Properties) -> str:
    made = aws.call(
        "ec2",
        "RunInstances",
        MinCount=1,
        MaxCount=1,
        **picked(inputs, _PLAIN),
        **_place(inputs),
        UserData=_user_data(inputs),
        IamInstanceProfile=_profile(inputs.get("iamInstanceProfile")),
        BlockDeviceMappings=_disks(aws, inputs) or None,
        MetadataOptions=capitalised(inputs["metadataOptions"]) if inputs.get("metadataOptions") else None,
        Monitoring={"Enabled": inputs["monitoring"]} if inputs.get("monitoring") is not None else None,
        TagSpecifications=_tag_specifications(inputs),
    )
    return str(made["Instances"][0]["InstanceId"])


def _place(inputs: Properties) -> dict[str, Any]:
    """Say where the machine goes; a wish about its public address makes the network interface explicit."""
    zone = {"Placement": {"AvailabilityZone": inputs["availabilityZone"]}} if inputs.get("availabilityZone") else {}
    wishes = {"subnetId": "SubnetId", "privateIp": "PrivateIpAddress"}
    if inputs.get("associatePublicIpAddress") is None:
        return {**zone, **picked(inputs, {**wishes, "vpcSecurityGroupIds": "SecurityGroupIds"})}
    names = {**wishes, "vpcSecurityGroupIds": "Groups", "associatePublicIpAddress": "AssociatePublicIpAddress"}
    return {**zone, "NetworkInterfaces": [{"DeviceIndex": 0, **picked(inputs, names)}]}


def _user_data(inputs: Properties) -> str | bytes | None:
    if inputs.get("userDataBase64"):
        return base64.b64decode(inputs["userDataBase64"])  # boto3 encodes it again
    return inputs.get("userData") or None


def _profile(name: str | None) -> dict[str, str] | None:
    return {"Name": name} if name else None


def _disks(aws: Aws, inputs: Properties) -> list[dict[str, Any]]:
    disks = [
        {"DeviceName": disk["deviceName"], "Ebs": picked(disk, _DISK)} for disk in inputs.get("ebsBlockDevices") or ()
    ]
    root = inputs.get("rootBlockDevice")
    if root:
        image = aws.call("ec2", "DescribeImages", ImageIds=[inputs["ami"]])["Images"][0]
        disks.insert(0, {"DeviceName": image["RootDeviceName"], "Ebs": picked(root, _DISK)})
    return disks


def _tag_specifications(inputs: Properties) -> list[dict[str, Any]] | None:
    machine = tag_specification("instance", inputs.get("tags")) or []
    volumes = tag_specification("volume", inputs.get("volumeTags")) or []
    return [*machine, *volumes] or None


def _finish(task: Task) -> None:
    def running() -> bool:
        found = _described(task.aws, task.id)
        return found is not None and found["State"]["Name"] == "running"

    task.aws.wait(f"instance {task.id} to run", running, task.seconds)
    if task.news.get("sourceDestCheck") is False:
        _set_attribute(task, "sourceDestCheck", "SourceDestCheck")
    _tag_root(task)


def _read(aws: Aws, instance: str, state: Properties) -> Properties | None:
    found = _described(aws, instance)
    if found is None:
        return None
    profile = found.get("IamInstanceProfile") or {}
    interface: Mapping[str, Any] = next(iter(found.get("NetworkInterfaces") or ()), {})
    # The service names a profile by its ARN; its last part is the name that programs give.
    return {
        **seen(found, {"ami": "ImageId", "instanceType": "InstanceType", "keyName": "KeyName"}),
        **seen(found, {"privateIp": "PrivateIpAddress", "privateDns": "PrivateDnsName", "subnetId": "SubnetId"}),
        **seen(found, {"publicIp": "PublicIpAddress", "publicDns": "PublicDnsName"}),
        **_switches(aws, instance, found),
        "arn": aws.arn("ec2", f"instance/{instance}"),
        "availabilityZone": found["Placement"]["AvailabilityZone"],
        "iamInstanceProfile": profile["Arn"].rpartition("/")[2] if profile.get("Arn") else None,
        "instanceState": found["State"]["Name"],
        "primaryNetworkInterfaceId": interface.get("NetworkInterfaceId"),
        "vpcSecurityGroupIds": sorted(
            g["GroupId"] for g in interface.get("Groups") or found.get("SecurityGroups") or ()
        ),
        "rootBlockDevice": _root_disk(aws, found, state.get("rootBlockDevice") or {}),
        "tags": tag_map(found.get("Tags")),
    }


def _switches(aws: Aws, instance: str, found: Mapping[str, Any]) -> Properties:
    protected = aws.call("ec2", "DescribeInstanceAttribute", InstanceId=instance, Attribute="disableApiTermination")
    options = uncapitalised(found.get("MetadataOptions") or {})
    return {
        "disableApiTermination": bool((protected.get("DisableApiTermination") or {}).get("Value")),
        "ebsOptimized": bool(found.get("EbsOptimized")),
        "monitoring": (found.get("Monitoring") or {}).get("State") in ("enabled", "pending"),
        "sourceDestCheck": bool(found.get("SourceDestCheck", True)),
        # Left to the state when the service shows none.
        **({"metadataOptions": {k: options[k] for k in _METADATA if k in options}} if options else {}),
    }


def _root_volume(found: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the root volume's id and whether it goes with the machine."""
    for mapping in found.get("BlockDeviceMappings") or ():
        if mapping["DeviceName"] == found.get("RootDeviceName"):
            return mapping["Ebs"]["VolumeId"], bool(mapping["Ebs"].get("DeleteOnTermination"))
    return None


def _root_disk(aws: Aws, found: Mapping[str, Any], known: Mapping[str, Any]) -> Properties | None:
    root = _root_volume(found)
    if root is None:
        return None
    volume = aws.call("ec2", "DescribeVolumes", VolumeIds=[root[0]])["Volumes"][0]
    names = {**{n: p for n, p in _DISK.items() if n not in ("deleteOnTermination", "snapshotId")}, "volumeSize": "Size"}
    shown = seen(volume, {**names, "volumeType": "VolumeType"})
    tags = {"tags": tag_map(volume.get("Tags"))} if "tags" in known else {}
    return {**shown, **tags, "volumeId": root[0], "deviceName": found["RootDeviceName"], "deleteOnTermination": root[1]}


def _stopped_update(task: Task) -> None:
    """Stop the machine, change what only a stopped one takes, start it again."""
    aws, machine = task.aws, task.id
    aws.call("ec2", "StopInstances", InstanceIds=[machine])
    _wait_state(task, "stopped")
    if "instanceType" in task.changed:
        _modify(task, InstanceType={"Value": task.news["instanceType"]})
    if "ebsOptimized" in task.changed:
        _modify(task, EbsOptimized={"Value": task.news.get("ebsOptimized", False)})
    if {"userData", "userDataBase64"} & task.changed:
        data = _user_data(task.news) or b""
        raw = data.encode() if isinstance(data, str) else data
        _modify(task, Attribute="userData", Value=base64.b64encode(raw).decode())
    aws.call("ec2", "StartInstances", InstanceIds=[machine])
    _wait_state(task, "running")


def _modify(task: Task, **attribute: Any) -> None:
    task.aws.call("ec2", "ModifyInstanceAttribute", InstanceId=task.id, **attribute)


def _set_attribute(task: Task, name: str, parameter: str) -> None:
    _modify(task, **{parameter: {"Value": task.news.get(name, name == "sourceDestCheck")}})


def _wait_state(task: Task, state: str) -> None:
    def there() -> bool:
        found = _described(task.aws, task.id)
        return found is not None and found["State"]["Name"] == state

    task.aws.wait(f"instance {task.id} to be {state}", there, task.seconds)


def _set_profile(task: Task) -> None:
    filters = [{"Name": "instance-id", "Values": [task.id]}]
    found = task.aws.call("ec2", "DescribeIamInstanceProfileAssociations", Filters=filters)
    old = [a["AssociationId"] for a in found["IamInstanceProfileAssociations"] if a["State"] == "associated"]
    new = _profile(task.news.get("iamInstanceProfile"))
    if new and old:
        task.aws.call("ec2", "ReplaceIamInstanceProfileAssociation", AssociationId=old[0], IamInstanceProfile=new)
    elif new:
        task.aws.call("ec2", "AssociateIamInstanceProfile", InstanceId=task.id, IamInstanceProfile=new)
    elif old:
        task.aws.call("ec2", "DisassociateIamInstanceProfile", AssociationId=old[0])


def _set_groups(task: Task) -> None:
    groups, interface = task.news.get("vpcSecurityGroupIds") or [], task.olds["primaryNetworkInterfaceId"]
    task.aws.call("ec2", "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=interface, Groups=groups)
    # Says the same to the service; the emulator keeps the machine's groups apart from its interface's.
    _modify(task, Groups=groups)


def _set_metadata_options(task: Task) -> None:
    options = capitalised(task.news.get("metadataOptions") or {})
    task.aws.call("ec2", "ModifyInstanceMetadataOptions", InstanceId=task.id, **options)


def _set_monitoring(task: Task) -> None:
    operation = "MonitorInstances" if task.news.get("monitoring") else "UnmonitorInstances"
    task.aws.call("ec2", operation, InstanceIds=[task.id])


def _change_root(task: Task) -> None:
    found = _described(task.aws, task.id)
    root = _root_volume(found) if found else None
    old, new = task.olds.get("rootBlockDevice") or {}, task.news.get("rootBlockDevice") or {}
    names = {"volumeSize": "Size", "volumeType": "VolumeType", "iops": "Iops", "throughput": "Throughput"}
    differing = {n: p for n, p in names.items() if new.get(n) is not None and str(new[n]) != str(old.get(n))}
    if root and differing:
        task.aws.call("ec2", "ModifyVolume", VolumeId=root[0], **picked(new, differing))
    _tag_root(task)


def _tag_root(task: Task) -> None:
    tags = (task.news.get("rootBlockDevice") or {}).get("tags")
    found = _described(task.aws, task.id)
    root = _root_volume(found) if found else None
    if tags and root:
        ec2_tags(task.aws, root[0], tags)


def _delete(task: Task) -> None:
    task.aws.call("ec2", "TerminateInstances", InstanceIds=[task.id])
    task.aws.wait(f"instance {task.id} to be gone", lambda: _described(task.aws, task.id) is None, task.seconds)


def _check(inputs: Properties) -> Iterable[Failure]:
    if inputs.get("userData") is not None and inputs.get("userDataBase64") is not None:
        yield Failure("userDataBase64", "Conflicts with userData; give one of them")
    for name in ("ami", "instanceType"):
        if inputs.get(name) is None:
            yield Failure(name, f"{name} is needed: this provider launches no instance from a launch template")


def _replaced_for_user_data(news: Properties) -> frozenset[str]:
    return frozenset({"userData", "userDataBase64"} if news.get("userDataReplaceOnChange") else ())


INSTANCE = ResourceType(
    type="aws:ec2/instance:Instance",
    create=_create,
    finish=_finish,
    read=_read,
    updates=[
        Update.of(_stopped_update, *_STOPPED),
        Update.of(_set_groups, "vpcSecurityGroupIds"),
        Update.of(_set_profile, "iamInstanceProfile"),
        Update.of(_set_metadata_options, "metadataOptions"),
        Update.of(_set_monitoring, "monitoring"),
        Update.of(
            lambda t: _set_attribute(t, "disableApiTermination", "DisableApiTermination"), "disableApiTermination"
        ),
        Update.of(lambda t: _set_attribute(t, "sourceDestCheck", "SourceDestCheck"), "sourceDestCheck"),
        Update.of(_change_root, "rootBlockDevice"),
    ],
    delete=_delete,
    tagging=EC2,
    replace_on=frozenset(
        {
            "ami",
            "associatePublicIpAddress",
            "availabilityZone",
            "ebsBlockDevices",
            "instanceInitiatedShutdownBehavior",
            "keyName",
            "privateIp",
            "rootBlockDevice.encrypted",
            "rootBlockDevice.kmsKeyId",
            "subnetId",
            "volumeTags",
        }
    ),
    also_replaces=_replaced_for_user_data,
    state_only=frozenset({"userDataReplaceOnChange"}),
    defaults={"sourceDestCheck": True, "userDataReplaceOnChange": False},
    computed=frozenset(
        {
            "associatePublicIpAddress",
            "availabilityZone",
            "disableApiTermination",
            "ebsOptimized",
            "metadataOptions",
            "monitoring",
            "privateIp",
            "rootBlockDevice",
            "subnetId",
            "vpcSecurityGroupIds",
        }
    ),
    sets=frozenset({"ebsBlockDevices", "vpcSecurityGroupIds"}),
    check=_check,
    gone=frozenset({"InvalidInstanceID.NotFound"}),
)
