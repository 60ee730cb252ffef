"""Who may talk to whom: SecurityGroup and its ingress and egress rules, each a resource of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import EC2, tag_map, tag_specification
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

_GROUP = {"name": "GroupName", "description": "Description", "vpcId": "VpcId"}


def _create_group(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("security-group", inputs.get("tags"))
    return str(aws.call("ec2", "CreateSecurityGroup", **picked(inputs, _GROUP), TagSpecifications=tags)["GroupId"])


def _revoke(aws: Aws, group: str, direction: str) -> None:
    found = aws.call("ec2", "DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0]
    granted = found["IpPermissionsEgress" if direction == "Egress" else "IpPermissions"]
    if granted:
        aws.call("ec2", f"RevokeSecurityGroup{direction}", GroupId=group, IpPermissions=granted)


def _read_group(aws: Aws, group: str, _: Properties) -> Properties | None:
    found = aws.call("ec2", "DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0]
    return {
        **seen(found, _GROUP),
        "arn": found.get("SecurityGroupArn") or aws.arn("ec2", f"security-group/{group}"),
        "ownerId": found.get("OwnerId"),
        "tags": tag_map(found.get("Tags")),
    }


def _delete_group(task: Task) -> None:
    if task.olds.get("revokeRulesOnDelete"):
        _revoke(task.aws, task.id, "Ingress")
        _revoke(task.aws, task.id, "Egress")
    task.aws.call("ec2", "DeleteSecurityGroup", GroupId=task.id)


SECURITY_GROUP = ResourceType(
    type="aws:ec2/securityGroup:SecurityGroup",
    create=_create_group,
    # The service lets everything out of a new group; the genuine provider takes that away, so do we.
    finish=lambda t: _revoke(t.aws, t.id, "Egress"),
    read=_read_group,
    delete=_delete_group,
    tagging=EC2,
    name=AutoName(),
    replace_on=frozenset({"description", "vpcId"}),
    state_only=frozenset({"revokeRulesOnDelete"}),
    defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
    computed=frozenset({"vpcId"}),
    gone=frozenset({"InvalidGroup.NotFound", "InvalidGroupId.NotFound"}),
    busy=frozenset({"DependencyViolation"}),
)

_SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
_RULE = {
    "ipProtocol": "IpProtocol",
    "fromPort": "FromPort",
    "toPort": "ToPort",
    "cidrIpv4": "CidrIpv4",
    "cidrIpv6": "CidrIpv6",
    "prefixListId": "PrefixListId",
    "description": "Description",
}
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "all": "-1"}


def _permission(inputs: Properties) -> dict[str, Any]:
    said = {"Description": inputs["description"]} if inputs.get("description") else {}
    permission = picked(inputs, {"ipProtocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort"})
    for name, (group, key) in {
        "cidrIpv4": ("IpRanges", "CidrIp"),
        "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "prefixListId": ("PrefixListIds", "PrefixListId"),
        "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }.items():
        if inputs.get(name):
            permission[group] = [{key: inputs[name], **said}]
    return permission


def _authorize(aws: Aws, direction: str, inputs: Properties) -> str:
    made = aws.call(
        "ec2",
        f"AuthorizeSecurityGroup{direction}",
        GroupId=inputs["securityGroupId"],
        IpPermissions=[_permission(inputs)],
        TagSpecifications=tag_specification("security-group-rule", inputs.get("tags")),
    )
    return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])


def _read_rule(aws: Aws, rule: str, _: Properties) -> Properties | None:
    found = aws.call("ec2", "DescribeSecurityGroupRules", SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
    if not found:
        return None
    every_port = found[0].get("IpProtocol") == "-1"
    return {
        **seen(found[0], _RULE),
        **(dict.fromkeys(("fromPort", "toPort")) if every_port else {}),
        "securityGroupId": found[0]["GroupId"],
        "referencedSecurityGroupId": (found[0].get("ReferencedGroupInfo") or {}).get("GroupId"),
        "securityGroupRuleId": rule,
        "arn": found[0].get("SecurityGroupRuleArn") or aws.arn("ec2", f"security-group-rule/{rule}"),
        "tags": tag_map(found[0].get("Tags")),
    }


def _modify_rule(task: Task) -> None:
    wanted = picked(task.news, {**_RULE, "referencedSecurityGroupId": "ReferencedGroupId"})
    rules = [{"SecurityGroupRuleId": task.id, "SecurityGroupRule": wanted}]
    group = task.news["securityGroupId"]
    task.aws.call("ec2", "ModifySecurityGroupRules", GroupId=group, SecurityGroupRules=rules)


def _check_rule(inputs: Properties) -> Iterable[Failure]:
    given = [name for name in _SOURCES if inputs.get(name) is not None]
    if len(given) != 1:
        yield Failure(given[1] if given else "cidrIpv4", f"Give exactly one of {', '.join(_SOURCES)}")
    if inputs.get("ipProtocol") in _PROTOCOLS:
        better = _PROTOCOLS[inputs["ipProtocol"]]
        yield Failure("ipProtocol", f"The service answers {better!r} for {inputs['ipProtocol']!r}; write {better!r}")


def _rule(token: str, direction: str) -> ResourceType:
    def revoke(task: Task) -> None:
        group = task.olds["securityGroupId"]
        task.aws.call("ec2", f"RevokeSecurityGroup{direction}", GroupId=group, SecurityGroupRuleIds=[task.id])

    return ResourceType(
        type=token,
        create=lambda aws, inputs: _authorize(aws, direction, inputs),
        read=_read_rule,
        updates=[Update.of(_modify_rule, *_RULE, "referencedSecurityGroupId")],
        delete=revoke,
        tagging=EC2,
        check=_check_rule,
        replace_on=frozenset({"securityGroupId"}),
        gone=frozenset({"InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound", "InvalidPermission.NotFound"}),
    )


INGRESS_RULE = _rule("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "Ingress")
EGRESS_RULE = _rule("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "Egress")
