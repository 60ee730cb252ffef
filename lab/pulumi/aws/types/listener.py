"""Listener: what a balancer does with what arrives at a port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import ELB, tag_list, tag_map
from lab.pulumi.aws.types.load_balancing import attribute_value
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_PLAIN = {"port": "Port", "protocol": "Protocol", "sslPolicy": "SslPolicy"}
_CONFIGS = {"redirect": "RedirectConfig", "fixedResponse": "FixedResponseConfig"}
_IDLE = "tcp.idle_timeout.seconds"
_TLS = ("HTTPS", "TLS")


def _parameters(inputs: Properties) -> dict[str, Any]:
    sent = picked(inputs, _PLAIN)
    if inputs.get("certificateArn"):
        sent["Certificates"] = [{"CertificateArn": inputs["certificateArn"]}]
    if inputs.get("alpnPolicy"):
        sent["AlpnPolicy"] = [inputs["alpnPolicy"]]
    if inputs.get("defaultActions"):
        sent["DefaultActions"] = [_action_out(a) for a in inputs["defaultActions"]]
    return sent


def _action_out(action: Mapping[str, Any]) -> dict[str, Any]:
    sent = picked(action, {"type": "Type", "order": "Order", "targetGroupArn": "TargetGroupArn"})
    for name, config in _CONFIGS.items():
        if action.get(name):
            sent[config] = capitalised(action[name])
    if action.get("forward"):
        sent["ForwardConfig"] = _forward_out(action["forward"])
    return sent


def _forward_out(forward: Mapping[str, Any]) -> dict[str, Any]:
    groups = forward.get("targetGroups") or ()
    sent: dict[str, Any] = {"TargetGroups": [picked(g, {"arn": "TargetGroupArn", "weight": "Weight"}) for g in groups]}
    if sticky := forward.get("stickiness"):
        names = {"duration": "DurationSeconds", "enabled": "Enabled"}
        sent["TargetGroupStickinessConfig"] = picked(sticky, names)
    return sent


def _action_in(action: Mapping[str, Any]) -> dict[str, Any]:
    shown = seen(action, {"type": "Type", "order": "Order", "targetGroupArn": "TargetGroupArn"})
    for name, config in _CONFIGS.items():
        if action.get(config):
            shown[name] = uncapitalised(action[config])
    if forward := action.get("ForwardConfig"):
        groups = forward.get("TargetGroups") or []
        shown["forward"] = {"targetGroups": [seen(g, {"arn": "TargetGroupArn", "weight": "Weight"}) for g in groups]}
        if sticky := forward.get("TargetGroupStickinessConfig"):
            shown["forward"]["stickiness"] = seen(sticky, {"duration": "DurationSeconds", "enabled": "Enabled"})
        if len(groups) == 1 and not shown["targetGroupArn"]:
            shown["targetGroupArn"] = groups[0]["TargetGroupArn"]
    return {k: v for k, v in shown.items() if v is not None}


def _create(aws: Aws, inputs: Properties) -> str:
    balancer, tags = inputs["loadBalancerArn"], tag_list(inputs.get("tags"))
    made = aws.call("elbv2", "CreateListener", LoadBalancerArn=balancer, **_parameters(inputs), Tags=tags)
    return str(made["Listeners"][0]["ListenerArn"])


def _set_idle_timeout(task: Task) -> None:
    if "tcpIdleTimeoutSeconds" in task.changed:
        attributes = [{"Key": _IDLE, "Value": str(task.news.get("tcpIdleTimeoutSeconds", 350))}]
        task.aws.call("elbv2", "ModifyListenerAttributes", ListenerArn=task.id, Attributes=attributes)


def _read(aws: Aws, arn: str, _: Properties) -> Properties | None:
    listed = aws.call("elbv2", "DescribeListeners", ListenerArns=[arn])["Listeners"]
    if not listed:
        return None
    found = listed[0]
    tags = aws.call("elbv2", "DescribeTags", ResourceArns=[arn])["TagDescriptions"]
    return {
        **seen(found, _PLAIN),
        **_idle_timeout(aws, arn),
        "loadBalancerArn": found["LoadBalancerArn"],
        "certificateArn": next((c["CertificateArn"] for c in found.get("Certificates") or ()), None),
        "alpnPolicy": next(iter(found.get("AlpnPolicy") or ()), None),
        "defaultActions": [_action_in(a) for a in found.get("DefaultActions") or ()],
        "arn": arn,
        "tags": tag_map(tags[0]["Tags"]) if tags else {},
    }


def _idle_timeout(aws: Aws, arn: str) -> Properties:
    listed = aws.call("elbv2", "DescribeListenerAttributes", ListenerArn=arn)["Attributes"]
    values = {a["Key"]: attribute_value(a["Value"]) for a in listed}
    return {"tcpIdleTimeoutSeconds": values[_IDLE]} if _IDLE in values else {}


def _update(task: Task) -> None:
    # Protocol, certificate and policy only make sense together, so all of them are sent.
    task.aws.call("elbv2", "ModifyListener", ListenerArn=task.id, **_parameters(task.news))


def _check(inputs: Properties) -> Iterable[Failure]:
    if inputs.get("protocol") in _TLS and inputs.get("certificateArn") is None:
        yield Failure("certificateArn", f"A listener with protocol {inputs['protocol']} needs a certificate")
    if inputs.get("protocol") not in (*_TLS, None, UNKNOWN) and inputs.get("certificateArn") is not None:
        yield Failure("certificateArn", f"A listener with protocol {inputs['protocol']} takes none")
    if inputs.get("port") is None:
        yield Failure("port", "Application and network load balancers need a port")


LISTENER = ResourceType(
    type="aws:lb/listener:Listener",
    create=_create,
    finish=_set_idle_timeout,
    read=_read,
    updates=[
        Update.of(_update, "defaultActions", "certificateArn", "alpnPolicy", *_PLAIN),
        Update.of(_set_idle_timeout, "tcpIdleTimeoutSeconds"),
    ],
    delete=lambda t: t.aws.call("elbv2", "DeleteListener", ListenerArn=t.id),
    tagging=ELB,
    replace_on=frozenset({"loadBalancerArn"}),
    computed=frozenset({"protocol", "sslPolicy", "tcpIdleTimeoutSeconds"}),
    check=_check,
    gone=frozenset({"ListenerNotFound", "LoadBalancerNotFound"}),
    delete_before_replace=True,
)
