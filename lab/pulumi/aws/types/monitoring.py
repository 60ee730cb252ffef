"""Watching: MetricAlarm, LogGroup, Topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import ALARM, LOG_GROUP, TOPIC, tag_list, tag_map
from lab.pulumi.aws.types.iam import checked_document
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

_ALARM = {
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "thresholdMetricId": "ThresholdMetricId",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}


def _dimensions(asked: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    return [{"Name": k, "Value": v} for k, v in asked.items()] if asked else None


def _query(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Write a metric query as the service takes it; its metric is nested one level deeper there."""
    sent: dict[str, Any] = capitalised({k: v for k, v in asked.items() if k != "metric"})
    if metric := asked.get("metric"):
        named = picked(metric, {"metricName": "MetricName", "namespace": "Namespace"})
        counted = picked(metric, {"period": "Period", "stat": "Stat", "unit": "Unit"})
        sent["MetricStat"] = {"Metric": {**named, "Dimensions": _dimensions(metric.get("dimensions")) or []}, **counted}
    return sent


def _shown_query(found: Mapping[str, Any]) -> Properties:
    shown: Properties = uncapitalised({k: v for k, v in found.items() if k != "MetricStat"})
    if stat := found.get("MetricStat"):
        metric = stat["Metric"]
        shown["metric"] = {
            **seen(metric, {"metricName": "MetricName", "namespace": "Namespace"}),
            **seen(stat, {"period": "Period", "stat": "Stat", "unit": "Unit"}),
            "dimensions": {d["Name"]: d["Value"] for d in metric.get("Dimensions") or ()},
        }
    return shown


def _put_alarm(aws: Aws, name: str, inputs: Properties, tags: Mapping[str, str] | None) -> None:
    aws.call(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName=name,
        **picked(inputs, _ALARM),
        Dimensions=_dimensions(inputs.get("dimensions")),
        Metrics=[_query(q) for q in inputs.get("metricQueries") or ()] or None,
        Tags=tag_list(tags),
    )


def _create_alarm(aws: Aws, inputs: Properties) -> str:
    _put_alarm(aws, inputs["name"], inputs, inputs.get("tags"))
    return str(inputs["name"])


def _read_alarm(aws: Aws, name: str, _: Properties) -> Properties | None:
    found = aws.call("cloudwatch", "DescribeAlarms", AlarmNames=[name], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    if not found:
        return None
    arn = found[0]["AlarmArn"]
    return {
        **seen(found[0], _ALARM),
        "name": name,
        "dimensions": {d["Name"]: d["Value"] for d in found[0].get("Dimensions") or ()},
        "metricQueries": [_shown_query(q) for q in found[0].get("Metrics") or ()],
        "arn": arn,
        "tags": tag_map(aws.call("cloudwatch", "ListTagsForResource", ResourceARN=arn)["Tags"]),
    }


def _check_alarm(inputs: Properties) -> Iterable[Failure]:
    for name in ("comparisonOperator", "evaluationPeriods"):
        if inputs.get(name) is None:
            yield Failure(name, "Missing required property")
    if (inputs.get("metricName") is None) == (not inputs.get("metricQueries")):
        yield Failure("metricName", "Give exactly one of metricName and metricQueries")


METRIC_ALARM = ResourceType(
    type="aws:cloudwatch/metricAlarm:MetricAlarm",
    create=_create_alarm,
    read=_read_alarm,
    updates=[Update.of(lambda t: _put_alarm(t.aws, t.id, t.news, None), *_ALARM, "dimensions", "metricQueries")],
    delete=lambda t: t.aws.call("cloudwatch", "DeleteAlarms", AlarmNames=[t.id]),
    tagging=ALARM,
    name=AutoName(),
    defaults={"actionsEnabled": True, "treatMissingData": "missing"},
    computed=frozenset({"evaluateLowSampleCountPercentiles"}),
    sets=frozenset({"alarmActions", "insufficientDataActions", "metricQueries", "okActions"}),
    check=_check_alarm,
    gone=frozenset({"ResourceNotFound"}),
)


def _create_logs(aws: Aws, inputs: Properties) -> str:
    names = {"name": "logGroupName", "kmsKeyId": "kmsKeyId", "logGroupClass": "logGroupClass"}
    aws.call("logs", "CreateLogGroup", **picked(inputs, names), tags=inputs.get("tags") or None)
    return str(inputs["name"])


def _set_retention(task: Task) -> None:
    days = task.news.get("retentionInDays")
    if days:
        task.aws.call("logs", "PutRetentionPolicy", logGroupName=task.id, retentionInDays=days)
    elif task.olds.get("retentionInDays"):
        task.aws.call("logs", "DeleteRetentionPolicy", logGroupName=task.id)


def _set_log_key(task: Task) -> None:
    key = task.news.get("kmsKeyId")
    if key:
        task.aws.call("logs", "AssociateKmsKey", logGroupName=task.id, kmsKeyId=key)
    else:
        task.aws.call("logs", "DisassociateKmsKey", logGroupName=task.id)


def _read_logs(aws: Aws, name: str, _: Properties) -> Properties | None:
    listed = aws.call("logs", "DescribeLogGroups", logGroupNamePrefix=name)["logGroups"]
    found = next((g for g in listed if g["logGroupName"] == name), None)
    if found is None:
        return None
    arn = found["arn"].removesuffix(":*")
    return {
        "name": name,
        "retentionInDays": found.get("retentionInDays") or 0,
        "kmsKeyId": found.get("kmsKeyId"),
        "logGroupClass": found.get("logGroupClass") or "STANDARD",
        "arn": arn,
        "tags": aws.call("logs", "ListTagsForResource", resourceArn=arn)["tags"],
    }


def _delete_logs(task: Task) -> None:
    if not task.olds.get("skipDestroy"):
        task.aws.call("logs", "DeleteLogGroup", logGroupName=task.id)


LOGS = ResourceType(
    type="aws:cloudwatch/logGroup:LogGroup",
    create=_create_logs,
    finish=_set_retention,
    read=_read_logs,
    updates=[Update.of(_set_retention, "retentionInDays"), Update.of(_set_log_key, "kmsKeyId")],
    delete=_delete_logs,
    tagging=LOG_GROUP,
    name=AutoName(limit=512),
    replace_on=frozenset({"logGroupClass"}),
    state_only=frozenset({"skipDestroy"}),
    defaults={"retentionInDays": 0, "skipDestroy": False},
    computed=frozenset({"logGroupClass"}),
    gone=frozenset({"ResourceNotFoundException"}),
)

_TOPIC = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "fifoTopic": "FifoTopic",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}
_SWITCHES = ("contentBasedDeduplication", "fifoTopic")
_NUMBERS = ("signatureVersion",)


def _create_topic(aws: Aws, inputs: Properties) -> str:
    attributes = picked(inputs, _TOPIC)
    made = aws.call(
        "sns", "CreateTopic", Name=inputs["name"], Attributes=attributes or None, Tags=tag_list(inputs.get("tags"))
    )
    return str(made["TopicArn"])


def _read_topic(aws: Aws, arn: str, _: Properties) -> Properties | None:
    found = aws.call("sns", "GetTopicAttributes", TopicArn=arn)["Attributes"]
    shown: Properties = {name: value or None for name, value in seen(found, _TOPIC).items()}
    shown |= {name: shown[name] == "true" for name in _SWITCHES}
    shown |= {name: int(shown[name]) for name in _NUMBERS if shown[name]}
    return {
        **shown,
        "name": arn.rpartition(":")[2],
        "owner": found.get("Owner"),
        "arn": arn,
        "tags": tag_map(aws.call("sns", "ListTagsForResource", ResourceArn=arn)["Tags"]),
    }


def _set_topic(task: Task) -> None:
    for name in sorted(set(_TOPIC) & task.changed):
        value = task.news.get(name)
        text = str(value).lower() if isinstance(value, bool) else str(value or "")
        task.aws.call("sns", "SetTopicAttributes", TopicArn=task.id, AttributeName=_TOPIC[name], AttributeValue=text)


TOPIC_TYPE = ResourceType(
    type="aws:sns/topic:Topic",
    create=_create_topic,
    read=_read_topic,
    updates=[Update(frozenset(_TOPIC) - {"fifoTopic"}, _set_topic)],
    delete=lambda t: t.aws.call("sns", "DeleteTopic", TopicArn=t.id),
    tagging=TOPIC,
    name=AutoName(limit=256),
    replace_on=frozenset({"fifoTopic"}),
    defaults={"contentBasedDeduplication": False, "fifoTopic": False},
    computed=frozenset({"policy", "signatureVersion", "tracingConfig"}),
    documents=frozenset({"deliveryPolicy", "policy"}),
    check=checked_document("policy"),
    gone=frozenset({"NotFound", "NotFoundException"}),
)
