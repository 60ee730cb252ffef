"""Schedule: when EventBridge Scheduler calls which target. Its id is group and name, ``default/nightly``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_PLAIN = {
    "actionAfterCompletion": "ActionAfterCompletion",
    "description": "Description",
    "kmsKeyArn": "KmsKeyArn",
    "scheduleExpression": "ScheduleExpression",
    "scheduleExpressionTimezone": "ScheduleExpressionTimezone",
    "state": "State",
}
_EXPRESSION = re.compile(r"(cron|rate|at)\(.+\)")
_NETWORK = "networkConfiguration"


def _window(asked: Mapping[str, Any]) -> dict[str, Any]:
    return picked(asked, {"mode": "Mode", "maximumWindowInMinutes": "MaximumWindowInMinutes"})


def _target(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Write the target as the service takes it; its network is one level deeper there."""
    sent: dict[str, Any] = capitalised({k: v for k, v in asked.items() if k != "ecsParameters"})
    if ecs := asked.get("ecsParameters"):
        sent["EcsParameters"] = capitalised({k: v for k, v in ecs.items() if k != _NETWORK})
        if network := ecs.get(_NETWORK):
            public = "ENABLED" if network.get("assignPublicIp") else "DISABLED"
            vpc = {
                "Subnets": network["subnets"],
                "SecurityGroups": network.get("securityGroups") or [],
                "AssignPublicIp": public,
            }
            sent["EcsParameters"]["NetworkConfiguration"] = {"awsvpcConfiguration": vpc}
    return sent


def _shown_target(found: Mapping[str, Any]) -> Properties:
    shown: Properties = uncapitalised({k: v for k, v in found.items() if k != "EcsParameters"})
    if ecs := found.get("EcsParameters"):
        shown["ecsParameters"] = uncapitalised({k: v for k, v in ecs.items() if k != "NetworkConfiguration"})
        if network := ecs.get("NetworkConfiguration"):
            vpc = network["awsvpcConfiguration"]
            shown["ecsParameters"][_NETWORK] = {
                "subnets": vpc["Subnets"],
                "securityGroups": vpc.get("SecurityGroups") or [],
                "assignPublicIp": vpc.get("AssignPublicIp") == "ENABLED",
            }
    return shown


def _parameters(inputs: Properties) -> dict[str, Any]:
    return {
        **picked(inputs, _PLAIN),
        "FlexibleTimeWindow": _window(inputs["flexibleTimeWindow"]),
        "Target": _target(inputs["target"]),
    }


def _create(aws: Aws, inputs: Properties) -> str:
    group = inputs["groupName"]
    aws.call("scheduler", "CreateSchedule", Name=inputs["name"], GroupName=group, **_parameters(inputs))
    return f"{group}/{inputs['name']}"


def _read(aws: Aws, identifier: str, _: Properties) -> Properties | None:
    group, _slash, name = identifier.partition("/")
    found = aws.call("scheduler", "GetSchedule", GroupName=group, Name=name)
    return {
        **seen(found, _PLAIN),
        "name": name,
        "groupName": group,
        "arn": found["Arn"],
        "flexibleTimeWindow": uncapitalised(found["FlexibleTimeWindow"]),
        "target": _shown_target(found["Target"]),
    }


def _update(task: Task) -> None:
    """Send everything: what an update of a schedule leaves out goes back to its default."""
    group, _slash, name = task.id.partition("/")
    task.aws.call("scheduler", "UpdateSchedule", GroupName=group, Name=name, **_parameters(task.news))


def _delete(task: Task) -> None:
    group, _slash, name = task.id.partition("/")
    task.aws.call("scheduler", "DeleteSchedule", GroupName=group, Name=name)


def _check(inputs: Properties) -> Iterable[Failure]:
    expression = inputs.get("scheduleExpression")
    if expression not in (None, UNKNOWN) and not _EXPRESSION.fullmatch(str(expression)):
        yield Failure("scheduleExpression", f"Expected cron(...), rate(...) or at(...), got {expression!r}")


SCHEDULE = ResourceType(
    type="aws:scheduler/schedule:Schedule",
    create=_create,
    read=_read,
    updates=[Update(frozenset({*_PLAIN, "flexibleTimeWindow", "target"}), _update)],
    delete=_delete,
    name=AutoName(limit=64),
    replace_on=frozenset({"groupName"}),
    defaults={"groupName": "default", "scheduleExpressionTimezone": "UTC", "state": "ENABLED"},
    computed=frozenset({"actionAfterCompletion"}),
    check=_check,
    gone=frozenset({"ResourceNotFoundException"}),
)
