"""What a database refers to: SubnetGroup, ParameterGroup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.pulumi.aws.coerce import capitalised
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, seen
from lab.pulumi.aws.tagging import RDS, tag_list, tag_map
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_MOST_PARAMETERS = 20
"""How many parameters the service takes in one call."""


def _check_name(inputs: Properties) -> Iterable[Failure]:
    name = inputs.get("name")
    if isinstance(name, str) and name not in (UNKNOWN, name.lower()):
        yield Failure("name", f"Only lowercase is allowed, got {name!r}")


def _create_subnets(aws: Aws, inputs: Properties) -> str:
    made = aws.call(
        "rds",
        "CreateDBSubnetGroup",
        DBSubnetGroupName=inputs["name"],
        DBSubnetGroupDescription=inputs["description"],
        SubnetIds=inputs["subnetIds"],
        Tags=tag_list(inputs.get("tags")),
    )
    return str(made["DBSubnetGroup"]["DBSubnetGroupName"])


def _tags(aws: Aws, arn: str) -> dict[str, str]:
    return tag_map(aws.call("rds", "ListTagsForResource", ResourceName=arn)["TagList"])


def _read_subnets(aws: Aws, name: str, _: Properties) -> Properties | None:
    found = aws.call("rds", "DescribeDBSubnetGroups", DBSubnetGroupName=name)["DBSubnetGroups"][0]
    return {
        **seen(found, {"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription", "vpcId": "VpcId"}),
        "arn": found["DBSubnetGroupArn"],
        "subnetIds": [s["SubnetIdentifier"] for s in found["Subnets"]],
        "supportedNetworkTypes": found.get("SupportedNetworkTypes") or [],
        "tags": _tags(aws, found["DBSubnetGroupArn"]),
    }


def _update_subnets(task: Task) -> None:
    task.aws.call(
        "rds",
        "ModifyDBSubnetGroup",
        DBSubnetGroupName=task.id,
        DBSubnetGroupDescription=task.news.get("description"),
        SubnetIds=task.news["subnetIds"],
    )


SUBNET_GROUP = ResourceType(
    type="aws:rds/subnetGroup:SubnetGroup",
    create=_create_subnets,
    read=_read_subnets,
    updates=[Update.of(_update_subnets, "description", "subnetIds")],
    delete=lambda t: t.aws.call("rds", "DeleteDBSubnetGroup", DBSubnetGroupName=t.id),
    tagging=RDS,
    name=AutoName(shape=str.lower),
    defaults={"description": "Managed by Pulumi"},
    sets=frozenset({"subnetIds"}),
    check=_check_name,
    gone=frozenset({"DBSubnetGroupNotFoundFault"}),
    busy=frozenset({"InvalidDBSubnetGroupStateFault"}),
)


def _create_parameters(aws: Aws, inputs: Properties) -> str:
    made = aws.call(
        "rds",
        "CreateDBParameterGroup",
        DBParameterGroupName=inputs["name"],
        DBParameterGroupFamily=inputs["family"],
        Description=inputs["description"],
        Tags=tag_list(inputs.get("tags")),
    )
    return str(made["DBParameterGroup"]["DBParameterGroupName"])


def _key(parameter: Properties) -> tuple[str, str, str]:
    """Reduce a parameter to name, value and when it takes effect (at once unless said otherwise)."""
    return parameter["name"], str(parameter["value"]), parameter.get("applyMethod") or "immediate"


def _sent(keys: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [capitalised({"parameterName": n, "parameterValue": v, "applyMethod": m}) for n, v, m in keys]


def _set_parameters(task: Task) -> None:
    """Set new and altered parameters, then put vanished ones back to the engine's default."""
    old, new = ({_key(p) for p in side.get("parameters") or ()} for side in (task.olds, task.news))
    kept = {name for name, _, _ in new}
    for operation, chosen in (
        ("ModifyDBParameterGroup", sorted(new - old)),
        ("ResetDBParameterGroup", sorted(p for p in old if p[0] not in kept)),
    ):
        for start in range(0, len(chosen), _MOST_PARAMETERS):
            some = _sent(chosen[start : start + _MOST_PARAMETERS])
            task.aws.call("rds", operation, DBParameterGroupName=task.id, Parameters=some)


def _read_parameters(aws: Aws, name: str, _: Properties) -> Properties | None:
    listed = aws.call("rds", "DescribeDBParameterGroups", DBParameterGroupName=name)["DBParameterGroups"]
    if not listed:
        return None
    found = listed[0]
    described = aws.pages("rds", "DescribeDBParameters", "Parameters", DBParameterGroupName=name, Source="user")
    return {
        **seen(found, {"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"}),
        "description": found.get("Description"),
        "arn": found["DBParameterGroupArn"],
        "parameters": [
            {"name": p["ParameterName"], "value": p["ParameterValue"], "applyMethod": p.get("ApplyMethod", "immediate")}
            for p in described
            if p.get("ParameterValue") is not None
        ],
        "tags": _tags(aws, found["DBParameterGroupArn"]),
    }


def _delete_parameters(task: Task) -> None:
    if not task.olds.get("skipDestroy"):
        task.aws.call("rds", "DeleteDBParameterGroup", DBParameterGroupName=task.id)


PARAMETER_GROUP = ResourceType(
    type="aws:rds/parameterGroup:ParameterGroup",
    create=_create_parameters,
    finish=_set_parameters,
    read=_read_parameters,
    updates=[Update.of(_set_parameters, "parameters")],
    delete=_delete_parameters,
    tagging=RDS,
    name=AutoName(shape=str.lower),
    replace_on=frozenset({"description", "family"}),
    state_only=frozenset({"skipDestroy"}),
    defaults={"description": "Managed by Pulumi", "skipDestroy": False},
    sets=frozenset({"parameters"}),
    check=_check_name,
    gone=frozenset({"DBParameterGroupNotFound", "DBParameterGroupNotFoundFault"}),
    busy=frozenset({"InvalidDBParameterGroupState", "InvalidDBParameterGroupStateFault"}),
)
