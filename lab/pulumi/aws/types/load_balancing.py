"""LoadBalancer: application and network balancers and their attributes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked
from lab.pulumi.aws.tagging import ELB, tag_list, tag_map
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

_ATTRIBUTES = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dnsRecordClientRoutingPolicy": "dns_record.client_routing_policy",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableTlsVersionAndCipherSuiteHeaders": "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "enableXffClientPort": "routing.http.xff_client_port.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
_LOGS = {"accessLogs": "access_logs.s3", "connectionLogs": "connection_logs.s3"}
_CREATE = {
    "name": "Name",
    "loadBalancerType": "Type",
    "ipAddressType": "IpAddressType",
    "securityGroups": "SecurityGroups",
    "subnets": "Subnets",
}
_NAME = re.compile(r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")


def service_attributes(inputs: Mapping[str, Any], names: Mapping[str, str]) -> list[dict[str, str]]:
    """Return properties as the key and value pairs in which the service keeps attributes."""
    return [{"Key": key, "Value": attribute_text(inputs[n])} for n, key in names.items() if inputs.get(n) is not None]


def attribute_text(value: object) -> str:
    """Write an attribute's value as the service does: `true`, `60`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def attribute_value(text: str) -> object:
    """Read an attribute's value: `true` as True, `60` as 60, anything else as it is."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() else text


def _log_attributes(inputs: Properties, changed: Iterable[str]) -> list[dict[str, str]]:
    sent = []
    for name in set(changed) & set(_LOGS):
        logs = inputs.get(name) or {"enabled": False}
        sent += service_attributes(logs, {part: f"{_LOGS[name]}.{part}" for part in ("enabled", "bucket", "prefix")})
    return sent


def _create(aws: Aws, inputs: Properties) -> str:
    mappings = [_mapping(m) for m in inputs.get("subnetMappings") or ()]
    made = aws.call(
        "elbv2",
        "CreateLoadBalancer",
        **picked(inputs, _CREATE),
        SubnetMappings=mappings or None,
        Scheme="internal" if inputs.get("internal") else "internet-facing",
        Tags=tag_list(inputs.get("tags")),
    )
    return str(made["LoadBalancers"][0]["LoadBalancerArn"])


def _mapping(asked: Mapping[str, Any]) -> dict[str, Any]:
    names = {"subnetId": "SubnetId", "allocationId": "AllocationId", "privateIpv4Address": "PrivateIPv4Address"}
    return picked(asked, names)


def _set_attributes(aws: Aws, arn: str, attributes: list[dict[str, str]]) -> None:
    if attributes:
        aws.call("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=attributes)


def _finish(task: Task) -> None:
    _update_attributes(task)

    def active() -> bool:
        found = task.aws.call("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[task.id])["LoadBalancers"][0]
        return found["State"]["Code"] in ("active", "active_impaired")

    task.aws.wait(f"load balancer {task.id} to be active", active, task.seconds)


def _read(aws: Aws, arn: str, _: Properties) -> Properties | None:
    found = aws.call("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn])["LoadBalancers"]
    if not found:
        return None
    tags = aws.call("elbv2", "DescribeTags", ResourceArns=[arn])["TagDescriptions"]
    zones = found[0].get("AvailabilityZones") or []
    return {
        **_attributes(aws, arn),
        "name": found[0]["LoadBalancerName"],
        "loadBalancerType": found[0]["Type"],
        "internal": found[0].get("Scheme") == "internal",
        "ipAddressType": found[0].get("IpAddressType"),
        "securityGroups": found[0].get("SecurityGroups") or [],
        "subnets": [z["SubnetId"] for z in zones],
        "vpcId": found[0].get("VpcId"),
        "dnsName": found[0]["DNSName"],
        "zoneId": found[0].get("CanonicalHostedZoneId"),
        "arn": arn,
        "arnSuffix": arn.partition(":loadbalancer/")[2],
        "tags": tag_map(tags[0]["Tags"]) if tags else {},
    }


def _attributes(aws: Aws, arn: str) -> Properties:
    listed = aws.call("elbv2", "DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]
    values = {a["Key"]: attribute_value(a.get("Value", "")) for a in listed}
    shown: Properties = {name: values[key] for name, key in _ATTRIBUTES.items() if key in values}
    for name, key in _LOGS.items():
        logs = {
            part: values[f"{key}.{part}"] for part in ("enabled", "bucket", "prefix") if values.get(f"{key}.{part}")
        }
        shown[name] = {"enabled": False, **logs} if logs.get("bucket") else None
    return shown


def _update_attributes(task: Task) -> None:
    asked = {name: task.news.get(name) for name in task.changed}
    _set_attributes(
        task.aws, task.id, service_attributes(asked, _ATTRIBUTES) + _log_attributes(task.news, task.changed)
    )


def _set_groups(task: Task) -> None:
    groups = task.news.get("securityGroups") or []
    task.aws.call("elbv2", "SetSecurityGroups", LoadBalancerArn=task.id, SecurityGroups=groups)


def _set_subnets(task: Task) -> None:
    mappings = [_mapping(m) for m in task.news.get("subnetMappings") or ()] or None
    subnets = None if mappings else task.news.get("subnets")
    task.aws.call("elbv2", "SetSubnets", LoadBalancerArn=task.id, Subnets=subnets, SubnetMappings=mappings)


def _set_address_type(task: Task) -> None:
    task.aws.call("elbv2", "SetIpAddressType", LoadBalancerArn=task.id, IpAddressType=task.news["ipAddressType"])


def _delete(task: Task) -> None:
    # Protection is the owner's; it is lifted by an update of the property, never by deleting. The service refuses
    # by itself; asked for here as well, since the emulator does not.
    if _attributes(task.aws, task.id).get("enableDeletionProtection"):
        raise ValueError("OperationNotPermitted: deletion protection is enabled; set enableDeletionProtection to false")
    task.aws.call("elbv2", "DeleteLoadBalancer", LoadBalancerArn=task.id)


def check_name(inputs: Properties) -> Iterable[Failure]:
    """Refuse a name that no load balancer or target group may have."""
    name = inputs.get("name")
    if isinstance(name, str) and not _NAME.fullmatch(name):
        rule = "1 to 32 letters, digits and hyphens, no hyphen at either end, not beginning with internal-"
        yield Failure("name", f"{name!r} is no valid name: {rule}")


def _check(inputs: Properties) -> Iterable[Failure]:
    yield from check_name(inputs)
    if bool(inputs.get("subnets")) == bool(inputs.get("subnetMappings")):
        yield Failure("subnets", "Give exactly one of subnets and subnetMappings")
    kind = inputs.get("loadBalancerType", "application")
    if kind not in ("application", "network"):
        yield Failure("loadBalancerType", f"{kind!r} is not modelled; there are application and network")
    if kind == "network" and inputs.get("idleTimeout") is not None:
        yield Failure("idleTimeout", "Only an application load balancer has it")


LOAD_BALANCER = ResourceType(
    type="aws:lb/loadBalancer:LoadBalancer",
    create=_create,
    finish=_finish,
    read=_read,
    updates=[
        Update(frozenset(_ATTRIBUTES) | frozenset(_LOGS), _update_attributes),
        Update.of(_set_groups, "securityGroups"),
        Update.of(_set_subnets, "subnets", "subnetMappings"),
        Update.of(_set_address_type, "ipAddressType"),
    ],
    delete=_delete,
    tagging=ELB,
    name=AutoName(limit=32),
    replace_on=frozenset({"internal", "loadBalancerType"}),
    defaults={"enableDeletionProtection": False, "loadBalancerType": "application"},
    computed=frozenset({"internal", "ipAddressType", "securityGroups", "subnets", *_ATTRIBUTES}),
    sets=frozenset({"securityGroups", "subnets", "subnetMappings"}),
    check=_check,
    gone=frozenset({"LoadBalancerNotFound"}),
    busy=frozenset({"ResourceInUse"}),
)
