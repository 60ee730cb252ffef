"""Queue: a standard or FIFO queue of SQS. Its id is its URL."""

from __future__ import annotations

from typing import Any

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws
from lab.pulumi.aws.tagging import retagging
from lab.pulumi.aws.types.iam import checked_document
from lab.pulumi.aws.values import Properties

_TEXTS = {"kmsMasterKeyId": "KmsMasterKeyId", "policy": "Policy", "redrivePolicy": "RedrivePolicy"}
_NUMBERS = {
    "delaySeconds": "DelaySeconds",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_ATTRIBUTES = {**_TEXTS, **_NUMBERS}


def _create(aws: Aws, inputs: Properties) -> str:
    given = {name: str(inputs[key]) for key, name in _ATTRIBUTES.items() if inputs.get(key) is not None}
    if inputs.get("fifoQueue"):
        given["FifoQueue"] = "true"
    made = aws.call("sqs", "CreateQueue", QueueName=inputs["name"], Attributes=given, tags=inputs.get("tags") or None)
    return str(made["QueueUrl"])


def _read(aws: Aws, url: str, _: Properties) -> Properties | None:
    found = aws.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    shown: dict[str, Any] = {key: found.get(name) or None for key, name in _TEXTS.items()}
    shown |= {key: int(found[name]) for key, name in _NUMBERS.items() if found.get(name)}
    return {
        **shown,
        "fifoQueue": found.get("FifoQueue") == "true",
        "name": found["QueueArn"].rpartition(":")[2],
        "arn": found["QueueArn"],
        "url": url,
        "tags": aws.call("sqs", "ListQueueTags", QueueUrl=url).get("Tags") or {},
    }


def _update(task: Task) -> None:
    news = {key: task.news.get(key) for key in sorted(set(_ATTRIBUTES) & task.changed)}
    given = {_ATTRIBUTES[key]: "" if value is None else str(value) for key, value in news.items()}
    task.aws.call("sqs", "SetQueueAttributes", QueueUrl=task.id, Attributes=given)


QUEUE = ResourceType(
    type="aws:sqs/queue:Queue",
    create=_create,
    read=_read,
    updates=[Update(frozenset(_ATTRIBUTES), _update)],
    delete=lambda t: t.aws.call("sqs", "DeleteQueue", QueueUrl=t.id),
    tagging=retagging(
        lambda t, tags: t.aws.call("sqs", "TagQueue", QueueUrl=t.id, Tags=tags),
        lambda t, keys: t.aws.call("sqs", "UntagQueue", QueueUrl=t.id, TagKeys=keys),
    ),
    name=AutoName(limit=80),
    replace_on=frozenset({"fifoQueue"}),
    defaults={"fifoQueue": False},
    computed=frozenset({*_NUMBERS, "policy"}),
    documents=frozenset({"policy", "redrivePolicy"}),
    check=checked_document("policy"),
    gone=frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}),
)
