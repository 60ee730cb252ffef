"""The auto-scaling Group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.durations import seconds
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_PLAIN = {
    "minSize": "MinSize",
    "maxSize": "MaxSize",
    "desiredCapacity": "DesiredCapacity",
    "defaultCooldown": "DefaultCooldown",
    "defaultInstanceWarmup": "DefaultInstanceWarmup",
    "healthCheckType": "HealthCheckType",
    "healthCheckGracePeriod": "HealthCheckGracePeriod",
    "terminationPolicies": "TerminationPolicies",
    "protectFromScaleIn": "NewInstancesProtectedFromScaleIn",
    "maxInstanceLifetime": "MaxInstanceLifetime",
    "capacityRebalance": "CapacityRebalance",
    "availabilityZones": "AvailabilityZones",
    "placementGroup": "PlacementGroup",
    "serviceLinkedRoleArn": "ServiceLinkedRoleARN",
}
_SHAPED = frozenset({"launchTemplate", "vpcZoneIdentifiers", "instanceMaintenancePolicy"})
_TEMPLATE = {"id": "LaunchTemplateId", "name": "LaunchTemplateName", "version": "Version"}
_SERVICE = "autoscaling"


def _parameters(inputs: Properties) -> dict[str, Any]:
    sent = picked(inputs, _PLAIN)
    if inputs.get("launchTemplate"):
        sent["LaunchTemplate"] = _template(inputs["launchTemplate"])
    if inputs.get("vpcZoneIdentifiers"):
        sent["VPCZoneIdentifier"] = ",".join(inputs["vpcZoneIdentifiers"])
    if inputs.get("instanceMaintenancePolicy"):
        sent["InstanceMaintenancePolicy"] = capitalised(inputs["instanceMaintenancePolicy"])
    return sent


def _template(asked: Properties) -> dict[str, Any]:
    """Name the template by id when there is one: the service refuses id and name together."""
    names = {k: v for k, v in _TEMPLATE.items() if k != "name" or not asked.get("id")}
    return picked(asked, names)


def _tags(group: str, tags: Iterable[Properties]) -> list[dict[str, Any]]:
    return [
        {"ResourceId": group, "ResourceType": "auto-scaling-group", **capitalised(dict(t)), "Value": t.get("value", "")}
        for t in tags
    ]


def _create(aws: Aws, inputs: Properties) -> str:
    group: str = inputs["name"]
    aws.call(
        _SERVICE,
        "CreateAutoScalingGroup",
        AutoScalingGroupName=group,
        **_parameters(inputs),
        TargetGroupARNs=inputs.get("targetGroupArns") or None,
        Tags=_tags(group, inputs.get("tags") or ()) or None,
    )
    return group


def _finish(task: Task) -> None:
    _suspend(task)
    _collect_metrics(task)
    _wait_for_capacity(task)


def _processes(aws: Aws, operation: str, group: str, names: Iterable[str]) -> None:
    if processes := sorted(names):
        aws.call(_SERVICE, operation, AutoScalingGroupName=group, ScalingProcesses=processes)


def _enable_metrics(aws: Aws, group: str, inputs: Properties) -> None:
    metrics, granularity = inputs["enabledMetrics"], inputs.get("metricsGranularity", "1Minute")
    aws.call(_SERVICE, "EnableMetricsCollection", AutoScalingGroupName=group, Granularity=granularity, Metrics=metrics)


def described(aws: Aws, group: str) -> Any | None:
    """Return the group as the service describes it, None when there is none."""
    found = aws.call(_SERVICE, "DescribeAutoScalingGroups", AutoScalingGroupNames=[group])["AutoScalingGroups"]
    return found[0] if found else None


def _read(aws: Aws, group: str, _: Properties) -> Properties | None:
    found = described(aws, group)
    if found is None:
        return None
    metrics = found.get("EnabledMetrics") or []
    return {
        **seen(found, _PLAIN),
        "name": group,
        "arn": found["AutoScalingGroupARN"],
        "launchTemplate": seen(found["LaunchTemplate"], _TEMPLATE) if found.get("LaunchTemplate") else None,
        "vpcZoneIdentifiers": [s for s in (found.get("VPCZoneIdentifier") or "").split(",") if s],
        "targetGroupArns": found.get("TargetGroupARNs") or [],
        "suspendedProcesses": sorted(p["ProcessName"] for p in found.get("SuspendedProcesses", [])),
        "enabledMetrics": sorted(m["Metric"] for m in metrics),
        "tags": [_shown_tag(t) for t in found.get("Tags", []) if not t["Key"].startswith("aws:")],
        # Left to the state when the service does not show it: not every endpoint keeps the policy.
        **({"instanceMaintenancePolicy": uncapitalised(p)} if (p := found.get("InstanceMaintenancePolicy")) else {}),
    }


def _shown_tag(tag: Properties) -> Properties:
    return {"key": tag["Key"], "value": tag.get("Value", ""), "propagateAtLaunch": bool(tag["PropagateAtLaunch"])}


def _update(task: Task) -> None:
    asked = {name: task.news.get(name) for name in task.changed}
    task.aws.call(_SERVICE, "UpdateAutoScalingGroup", AutoScalingGroupName=task.id, **_parameters(asked))


def _move_target_groups(task: Task) -> None:
    old, new = set(task.olds.get("targetGroupArns") or ()), set(task.news.get("targetGroupArns") or ())
    for operation, arns in (("Attach", new - old), ("Detach", old - new)):
        if arns:
            name = f"{operation}LoadBalancerTargetGroups"
            task.aws.call(_SERVICE, name, AutoScalingGroupName=task.id, TargetGroupARNs=sorted(arns))


def _suspend(task: Task) -> None:
    old, new = set(task.olds.get("suspendedProcesses") or ()), set(task.news.get("suspendedProcesses") or ())
    _processes(task.aws, "ResumeProcesses", task.id, old - new)
    _processes(task.aws, "SuspendProcesses", task.id, new - old)


def _collect_metrics(task: Task) -> None:
    old, new = set(task.olds.get("enabledMetrics") or ()), set(task.news.get("enabledMetrics") or ())
    if old - new:
        task.aws.call(_SERVICE, "DisableMetricsCollection", AutoScalingGroupName=task.id, Metrics=sorted(old - new))
    if new:
        _enable_metrics(task.aws, task.id, task.news)


def _retag(task: Task) -> None:
    old = {t["key"]: t for t in task.olds.get("tags") or ()}
    new = {t["key"]: t for t in task.news.get("tags") or ()}
    if vanished := [old[key] for key in sorted(old.keys() - new.keys())]:
        task.aws.call(_SERVICE, "DeleteTags", Tags=_tags(task.id, vanished))
    if written := [tag for key, tag in new.items() if old.get(key) != tag]:
        task.aws.call(_SERVICE, "CreateOrUpdateTags", Tags=_tags(task.id, written))


def _wait_for_capacity(task: Task) -> None:
    """Wait until the asked number of instances serves, as the genuine provider does; a time-out of 0 waits for none."""
    budget = seconds(task.news.get("waitForCapacityTimeout", "10m"))
    wanted = task.news.get("desiredCapacity") or task.news["minSize"]
    if not budget or not wanted:
        return
    in_balancer = task.news.get("waitForElbCapacity") or task.news.get("minElbCapacity") or 0

    def enough() -> bool:
        found = described(task.aws, task.id) or {"Instances": []}
        serving = [
            i for i in found["Instances"] if i["LifecycleState"] == "InService" and i["HealthStatus"] == "Healthy"
        ]
        return len(serving) >= wanted and (not in_balancer or _healthy_targets(task.aws, found) >= in_balancer)

    task.aws.wait(f"{wanted} instances of {task.id} to be in service and healthy", enough, budget)


def _healthy_targets(aws: Aws, found: Any) -> int:
    """Count the instances that are healthy in every target group."""
    healthy = {i["InstanceId"] for i in found["Instances"]}
    for arn in found.get("TargetGroupARNs") or ():
        described_health = aws.call("elbv2", "DescribeTargetHealth", TargetGroupArn=arn)["TargetHealthDescriptions"]
        healthy &= {t["Target"]["Id"] for t in described_health if t["TargetHealth"]["State"] == "healthy"}
    return len(healthy)


def _delete(task: Task) -> None:
    """Empty the group, wait until its instances are gone, then delete it."""
    if (found := described(task.aws, task.id)) is None:
        return
    _let_instances_go(task.aws, found)
    zero = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
    task.aws.call(_SERVICE, "UpdateAutoScalingGroup", AutoScalingGroupName=task.id, **zero)
    if not task.olds.get("forceDelete"):
        task.aws.wait(f"the instances of {task.id} to be gone", lambda: _is_empty(task), task.seconds)
    task.aws.call(_SERVICE, "DeleteAutoScalingGroup", AutoScalingGroupName=task.id, ForceDelete=True)
    task.aws.wait(f"group {task.id} to be gone", lambda: described(task.aws, task.id) is None, task.seconds)


def _let_instances_go(aws: Aws, found: Any) -> None:
    """Lift what would keep instances alive: scale-in protection and a suspended Terminate."""
    group = found["AutoScalingGroupName"]
    protected = [i["InstanceId"] for i in found["Instances"] if i.get("ProtectedFromScaleIn")]
    if protected:
        lifted = {"InstanceIds": protected, "ProtectedFromScaleIn": False}
        aws.call(_SERVICE, "SetInstanceProtection", AutoScalingGroupName=group, **lifted)
    _processes(aws, "ResumeProcesses", group, (p["ProcessName"] for p in found.get("SuspendedProcesses", [])))


def _is_empty(task: Task) -> bool:
    found = described(task.aws, task.id)
    return found is None or not found["Instances"]


def _check(inputs: Properties) -> Iterable[Failure]:
    if not inputs.get("launchTemplate"):
        yield Failure("launchTemplate", "Missing: this provider launches from a launch template only")
    elif inputs["launchTemplate"] != UNKNOWN and not {"id", "name"} & inputs["launchTemplate"].keys():
        yield Failure("launchTemplate", "Give the template's id or its name")
    if not inputs.get("vpcZoneIdentifiers") and not inputs.get("availabilityZones"):
        yield Failure("vpcZoneIdentifiers", "Give vpcZoneIdentifiers or availabilityZones")
    try:
        seconds(inputs.get("waitForCapacityTimeout", "10m"))
    except ValueError as wrong:
        yield Failure("waitForCapacityTimeout", str(wrong))


GROUP = ResourceType(
    type="aws:autoscaling/group:Group",
    create=_create,
    finish=_finish,
    read=_read,
    updates=[
        Update(frozenset(_PLAIN) | _SHAPED, _update),
        Update.of(_move_target_groups, "targetGroupArns"),
        Update.of(_collect_metrics, "enabledMetrics", "metricsGranularity"),
        Update.of(_retag, "tags"),
        Update.of(_suspend, "suspendedProcesses"),
        Update.of(_wait_for_capacity, "desiredCapacity", "minSize", "minElbCapacity", "waitForElbCapacity"),
    ],
    delete=_delete,
    name=AutoName(),
    state_only=frozenset({"waitForCapacityTimeout", "forceDelete", "ignoreFailedScalingActivities"}),
    defaults={
        "forceDelete": False,
        "healthCheckGracePeriod": 300,
        "metricsGranularity": "1Minute",
        "protectFromScaleIn": False,
        "waitForCapacityTimeout": "10m",
    },
    computed=frozenset(
        {
            "availabilityZones",
            "defaultCooldown",
            "desiredCapacity",
            "healthCheckType",
            "serviceLinkedRoleArn",
            "targetGroupArns",
            "vpcZoneIdentifiers",
        }
    ),
    sets=frozenset(
        {"availabilityZones", "enabledMetrics", "suspendedProcesses", "tags", "targetGroupArns", "vpcZoneIdentifiers"}
    ),
    check=_check,
)
