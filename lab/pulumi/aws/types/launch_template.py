"""LaunchTemplate: every change of what it launches makes a new version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, seen
from lab.pulumi.aws.tagging import EC2, tag_list, tag_map, tag_specification
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

_DATA = {
    "blockDeviceMappings": "BlockDeviceMappings",
    "cpuOptions": "CpuOptions",
    "creditSpecification": "CreditSpecification",
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
    "ebsOptimized": "EbsOptimized",
    "enclaveOptions": "EnclaveOptions",
    "iamInstanceProfile": "IamInstanceProfile",
    "imageId": "ImageId",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "instanceType": "InstanceType",
    "keyName": "KeyName",
    "maintenanceOptions": "MaintenanceOptions",
    "metadataOptions": "MetadataOptions",
    "monitoring": "Monitoring",
    "networkInterfaces": "NetworkInterfaces",
    "placement": "Placement",
    "privateDnsNameOptions": "PrivateDnsNameOptions",
    "securityGroupNames": "SecurityGroups",
    "tagSpecifications": "TagSpecifications",
    "userData": "UserData",
    "vpcSecurityGroupIds": "SecurityGroupIds",
}
_VERSIONED = frozenset({*_DATA, "description"})


def _data(inputs: Properties) -> dict[str, Any]:
    """Return what a version of the template launches, complete: the service does not merge versions for us."""
    data = {_DATA[n]: capitalised(v) for n, v in inputs.items() if n in _DATA and v not in (None, "", [], {})}
    if inputs.get("tagSpecifications"):
        data["TagSpecifications"] = [_tags_out(s) for s in inputs["tagSpecifications"]]
    if inputs.get("networkInterfaces"):
        data["NetworkInterfaces"] = [_interface_out(i) for i in inputs["networkInterfaces"]]
    return data


def _tags_out(specification: Mapping[str, Any]) -> dict[str, Any]:
    return {"ResourceType": specification.get("resourceType"), "Tags": tag_list(specification.get("tags")) or []}


def _interface_out(interface: Mapping[str, Any]) -> dict[str, Any]:
    sent: dict[str, Any] = capitalised(interface)
    if "SecurityGroups" in sent:
        sent["Groups"] = sent.pop("SecurityGroups")
    return sent


def _create(aws: Aws, inputs: Properties) -> str:
    made = aws.call(
        "ec2",
        "CreateLaunchTemplate",
        LaunchTemplateName=inputs["name"],
        VersionDescription=inputs.get("description"),
        LaunchTemplateData=_data(inputs),
        TagSpecifications=tag_specification("launch-template", inputs.get("tags")),
    )
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def _read(aws: Aws, template: str, _: Properties) -> Properties | None:
    listed = aws.call("ec2", "DescribeLaunchTemplates", LaunchTemplateIds=[template])["LaunchTemplates"]
    if not listed:
        return None
    found = listed[0]
    versions = aws.call("ec2", "DescribeLaunchTemplateVersions", LaunchTemplateId=template, Versions=["$Latest"])
    latest = versions["LaunchTemplateVersions"][0]
    return {
        **_shown(latest["LaunchTemplateData"]),
        "description": latest.get("VersionDescription"),
        "name": found["LaunchTemplateName"],
        "arn": aws.arn("ec2", f"launch-template/{template}"),
        "latestVersion": found["LatestVersionNumber"],
        "defaultVersion": found["DefaultVersionNumber"],
        # Asked for by themselves: the emulator describes a template with the tags that it was born with.
        "tags": tag_map(
            aws.pages("ec2", "DescribeTags", "Tags", Filters=[{"Name": "resource-id", "Values": [template]}])
        ),
    }


def _shown(data: Mapping[str, Any]) -> Properties:
    shown: Properties = {name: uncapitalised(value) for name, value in seen(data, _DATA).items()}
    # The emulator also lists the template's own tags here, which no launch can carry.
    launched = [t for t in data.get("TagSpecifications") or () if t.get("ResourceType") != "launch-template"]
    shown["tagSpecifications"] = [
        {"resourceType": t.get("ResourceType"), "tags": tag_map(t.get("Tags"))} for t in launched
    ]
    for interface in shown["networkInterfaces"] or ():
        if "groups" in interface:
            interface["securityGroups"] = interface.pop("groups")
    return shown


def _new_version(task: Task) -> None:
    made = task.aws.call(
        "ec2",
        "CreateLaunchTemplateVersion",
        LaunchTemplateId=task.id,
        VersionDescription=task.news.get("description"),
        LaunchTemplateData=_data(task.news),
    )
    if task.news.get("updateDefaultVersion"):
        _set_default(task, made["LaunchTemplateVersion"]["VersionNumber"])


def _choose_default(task: Task) -> None:
    """Follow `defaultVersion`, or the latest when `updateDefaultVersion` was just turned on."""
    if task.news.get("updateDefaultVersion"):
        found = task.aws.call("ec2", "DescribeLaunchTemplates", LaunchTemplateIds=[task.id])["LaunchTemplates"][0]
        _set_default(task, found["LatestVersionNumber"])
    elif task.news.get("defaultVersion") is not None:
        _set_default(task, task.news["defaultVersion"])


def _set_default(task: Task, version: int) -> None:
    task.aws.call("ec2", "ModifyLaunchTemplate", LaunchTemplateId=task.id, DefaultVersion=version)


def _recomputed(news: Properties, changed: Collection[str]) -> Collection[str]:
    if not _VERSIONED & set(changed):
        return ()
    return ("latestVersion", "defaultVersion") if news.get("updateDefaultVersion") else ("latestVersion",)


def _check(inputs: Properties) -> Iterable[Failure]:
    if inputs.get("updateDefaultVersion") and inputs.get("defaultVersion") is not None:
        yield Failure("defaultVersion", "Conflicts with updateDefaultVersion; give one of them")
    if inputs.get("vpcSecurityGroupIds") and inputs.get("securityGroupNames"):
        yield Failure("securityGroupNames", "Conflicts with vpcSecurityGroupIds; give one of them")


LAUNCH_TEMPLATE = ResourceType(
    type="aws:ec2/launchTemplate:LaunchTemplate",
    create=_create,
    read=_read,
    updates=[
        Update(_VERSIONED, _new_version),
        Update.of(_choose_default, "defaultVersion", "updateDefaultVersion"),
    ],
    delete=lambda t: t.aws.call("ec2", "DeleteLaunchTemplate", LaunchTemplateId=t.id),
    tagging=EC2,
    recomputed=_recomputed,
    name=AutoName(limit=125),
    computed=frozenset({"defaultVersion"}),
    sets=frozenset({"vpcSecurityGroupIds", "securityGroupNames"}),
    check=_check,
    gone=frozenset({"InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateName.NotFoundException"}),
)
