"""Tags: the two ways AWS writes them, and the calls by which each service changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.pulumi.aws.resource import Act, Task
from lab.pulumi.aws.session import Aws


def tag_list(tags: Mapping[str, str] | None, *, key: str = "Key", value: str = "Value") -> list[dict[str, str]] | None:
    """Return tags as a list of pairs; None when there are none, so that the parameter is left out."""
    return [{key: k, value: str(v)} for k, v in tags.items()] if tags else None


def tag_map(tags: Iterable[Mapping[str, str]] | None, *, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Return a list of pairs as a map, without AWS's own `aws:` tags."""
    return {t[key]: t.get(value, "") for t in tags or () if not t[key].startswith("aws:")}


def tag_specification(kind: str, tags: Mapping[str, str] | None) -> list[dict[str, Any]] | None:
    """Return the EC2 parameter that tags a resource of `kind` as it is made."""
    return [{"ResourceType": kind, "Tags": tag_list(tags)}] if tags else None


def retagging(add: Callable[[Task, dict[str, str]], Any], remove: Callable[[Task, list[str]], Any]) -> Act:
    """Describe how tags are brought to the new set: vanished ones removed, new and altered ones written."""

    def retag(task: Task) -> None:
        old, new = task.olds.get("tags") or {}, task.news.get("tags") or {}
        if vanished := sorted(set(old) - set(new)):
            remove(task, vanished)
        if written := {k: v for k, v in new.items() if old.get(k) != v}:
            add(task, written)

    return retag


def ec2_tags(aws: Aws, resource: str, tags: Mapping[str, str]) -> None:
    """Write tags of an EC2 resource."""
    aws.call("ec2", "CreateTags", Resources=[resource], Tags=tag_list(tags))


def untag_ec2(aws: Aws, resource: str, keys: list[str]) -> None:
    """Remove tags of an EC2 resource."""
    aws.call("ec2", "DeleteTags", Resources=[resource], Tags=[{"Key": k} for k in keys])


EC2 = retagging(lambda t, tags: ec2_tags(t.aws, t.id, tags), lambda t, keys: untag_ec2(t.aws, t.id, keys))
ELB = retagging(
    lambda t, tags: t.aws.call("elbv2", "AddTags", ResourceArns=[t.id], Tags=tag_list(tags)),
    lambda t, keys: t.aws.call("elbv2", "RemoveTags", ResourceArns=[t.id], TagKeys=keys),
)
RDS = retagging(
    lambda t, tags: t.aws.call("rds", "AddTagsToResource", ResourceName=t.olds["arn"], Tags=tag_list(tags)),
    lambda t, keys: t.aws.call("rds", "RemoveTagsFromResource", ResourceName=t.olds["arn"], TagKeys=keys),
)
SECRET = retagging(
    lambda t, tags: t.aws.call("secretsmanager", "TagResource", SecretId=t.id, Tags=tag_list(tags)),
    lambda t, keys: t.aws.call("secretsmanager", "UntagResource", SecretId=t.id, TagKeys=keys),
)
KMS = retagging(
    lambda t, tags: t.aws.call("kms", "TagResource", KeyId=t.id, Tags=tag_list(tags, key="TagKey", value="TagValue")),
    lambda t, keys: t.aws.call("kms", "UntagResource", KeyId=t.id, TagKeys=keys),
)
ROLE = retagging(
    lambda t, tags: t.aws.call("iam", "TagRole", RoleName=t.id, Tags=tag_list(tags)),
    lambda t, keys: t.aws.call("iam", "UntagRole", RoleName=t.id, TagKeys=keys),
)
INSTANCE_PROFILE = retagging(
    lambda t, tags: t.aws.call("iam", "TagInstanceProfile", InstanceProfileName=t.id, Tags=tag_list(tags)),
    lambda t, keys: t.aws.call("iam", "UntagInstanceProfile", InstanceProfileName=t.id, TagKeys=keys),
)
ALARM = retagging(
    lambda t, tags: t.aws.call("cloudwatch", "TagResource", ResourceARN=t.olds["arn"], Tags=tag_list(tags)),
    lambda t, keys: t.aws.call("cloudwatch", "UntagResource", ResourceARN=t.olds["arn"], TagKeys=keys),
)
LOG_GROUP = retagging(
    lambda t, tags: t.aws.call("logs", "TagResource", resourceArn=t.olds["arn"], tags=tags),
    lambda t, keys: t.aws.call("logs", "UntagResource", resourceArn=t.olds["arn"], tagKeys=keys),
)
TOPIC = retagging(
    lambda t, tags: t.aws.call("sns", "TagResource", ResourceArn=t.id, Tags=tag_list(tags)),
    lambda t, keys: t.aws.call("sns", "UntagResource", ResourceArn=t.id, TagKeys=keys),
)
