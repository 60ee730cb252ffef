"""TargetGroup: whom a balancer sends requests to, and how it finds out that they live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import ELB, tag_list, tag_map
from lab.pulumi.aws.types.load_balancing import attribute_value, check_name, service_attributes
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_FIXED = {
    "name": "Name",
    "port": "Port",
    "protocol": "Protocol",
    "protocolVersion": "ProtocolVersion",
    "targetType": "TargetType",
    "vpcId": "VpcId",
    "ipAddressType": "IpAddressType",
}
_HEALTH = {
    "enabled": "HealthCheckEnabled",
    "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
_ATTRIBUTES = {
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "preserveClientIp": "preserve_client_ip.enabled",
    "proxyProtocolV2": "proxy_protocol_v2.enabled",
    "slowStart": "slow_start.duration_seconds",
}
_LIMITS = {
    "deregistrationDelay": (0, 3600),
    "healthCheck.healthyThreshold": (2, 10),
    "healthCheck.interval": (5, 300),
    "healthCheck.timeout": (2, 120),
    "healthCheck.unhealthyThreshold": (2, 10),
    "port": (1, 65535),
    "stickiness.cookieDuration": (0, 604800),
}
_HTTP = ("HTTP", "HTTPS")


def _health(asked: Mapping[str, Any] | None) -> dict[str, Any]:
    sent = picked(asked or {}, _HEALTH)
    if asked and asked.get("matcher"):
        sent["Matcher"] = {"HttpCode": asked["matcher"]}
    return sent


def _stickiness(asked: Mapping[str, Any] | None) -> list[dict[str, str]]:
    if not asked:
        return [{"Key": "stickiness.enabled", "Value": "false"}]
    kind = asked["type"]
    names = {"enabled": "stickiness.enabled", "type": "stickiness.type"}
    if kind in ("lb_cookie", "app_cookie"):
        names["cookieDuration"] = f"stickiness.{kind}.duration_seconds"
    if kind == "app_cookie":
        names["cookieName"] = "stickiness.app_cookie.cookie_name"
    return service_attributes({"enabled": True, **asked}, names)


def _create(aws: Aws, inputs: Properties) -> str:
    tags = tag_list(inputs.get("tags"))
    made = aws.call(
        "elbv2", "CreateTargetGroup", **picked(inputs, _FIXED), **_health(inputs.get("healthCheck")), Tags=tags
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def _set_attributes(aws: Aws, arn: str, attributes: list[dict[str, str]]) -> None:
    if attributes:
        aws.call("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=attributes)


def _read(aws: Aws, arn: str, _: Properties) -> Properties | None:
    listed = aws.call("elbv2", "DescribeTargetGroups", TargetGroupArns=[arn])["TargetGroups"]
    if not listed:
        return None
    found = listed[0]
    tags = aws.call("elbv2", "DescribeTags", ResourceArns=[arn])["TagDescriptions"]
    return {
        **seen(found, {**_FIXED, "name": "TargetGroupName"}),
        **_attributes(aws, arn),
        "healthCheck": {**seen(found, _HEALTH), "matcher": (found.get("Matcher") or {}).get("HttpCode")},
        "loadBalancerArns": found.get("LoadBalancerArns") or [],
        "arn": arn,
        "arnSuffix": arn.rpartition(":")[2],
        "tags": tag_map(tags[0]["Tags"]) if tags else {},
    }


def _attributes(aws: Aws, arn: str) -> Properties:
    listed = aws.call("elbv2", "DescribeTargetGroupAttributes", TargetGroupArn=arn)["Attributes"]
    values = {a["Key"]: attribute_value(a.get("Value", "")) for a in listed}
    shown: Properties = {name: values[key] for name, key in _ATTRIBUTES.items() if key in values}
    kind = values.get("stickiness.type")
    if kind:
        shown["stickiness"] = {
            "enabled": bool(values.get("stickiness.enabled")),
            "type": kind,
            "cookieDuration": values.get(f"stickiness.{kind}.duration_seconds"),
            "cookieName": values.get("stickiness.app_cookie.cookie_name") or None,
        }
    return shown


def _update_health(task: Task) -> None:
    health = _health(task.news.get("healthCheck"))
    if health:
        task.aws.call("elbv2", "ModifyTargetGroup", TargetGroupArn=task.id, **health)


def _update_attributes(task: Task) -> None:
    asked = {name: task.news.get(name) for name in task.changed}
    sticky = _stickiness(task.news.get("stickiness")) if "stickiness" in task.changed else []
    _set_attributes(task.aws, task.id, service_attributes(asked, _ATTRIBUTES) + sticky)


def _check(inputs: Properties) -> Iterable[Failure]:
    yield from check_name(inputs)
    for path, (low, high) in _LIMITS.items():
        value = _at(inputs, path)
        if value not in (None, UNKNOWN) and not low <= float(value) <= high:
            yield Failure(path, f"Expected {path} to be in the range ({low} - {high}), got {value}")
    yield from _check_health(inputs)
    if inputs.get("targetType", "instance") != "lambda":
        for name in ("port", "protocol", "vpcId"):
            if inputs.get(name) is None:
                yield Failure(name, f"{name} should be set when targetType is not lambda")


def _check_health(inputs: Properties) -> Iterable[Failure]:
    health = inputs.get("healthCheck")
    if not isinstance(health, Mapping):
        return
    interval, timeout = health.get("interval", 30), health.get("timeout")
    known = timeout is not None and UNKNOWN not in (interval, timeout)
    http = health.get("protocol", "HTTP") in _HTTP
    if known and http and float(str(timeout)) >= float(str(interval)):
        yield Failure("healthCheck.timeout", f"Must be smaller than the interval of {interval} s, got {timeout}")
    if health.get("protocol") == "TCP":
        for name in ("path", "matcher"):
            if health.get(name):
                yield Failure(f"healthCheck.{name}", "A TCP health check has none")


def _at(inputs: Properties, path: str) -> Any:
    value: Any = inputs
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


TARGET_GROUP = ResourceType(
    type="aws:lb/targetGroup:TargetGroup",
    create=_create,
    finish=_update_attributes,
    read=_read,
    updates=[
        Update.of(_update_health, "healthCheck"),
        Update.of(_update_attributes, "stickiness", *_ATTRIBUTES),
    ],
    delete=lambda t: t.aws.call("elbv2", "DeleteTargetGroup", TargetGroupArn=t.id),
    tagging=ELB,
    name=AutoName(limit=32),
    replace_on=frozenset(_FIXED),
    defaults={"deregistrationDelay": 300, "slowStart": 0, "targetType": "instance"},
    computed=frozenset(
        {
            "connectionTermination",
            "healthCheck",
            "ipAddressType",
            "loadBalancingAlgorithmType",
            "loadBalancingCrossZoneEnabled",
            "preserveClientIp",
            "protocolVersion",
            "stickiness",
        }
    ),
    check=_check,
    gone=frozenset({"TargetGroupNotFound"}),
    busy=frozenset({"ResourceInUse"}),
)
