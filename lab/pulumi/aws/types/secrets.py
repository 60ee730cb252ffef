"""Secrets and keys: Secret, SecretVersion, Key, Alias."""

from __future__ import annotations

import base64
from typing import Any

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked
from lab.pulumi.aws.tagging import KMS, SECRET, tag_list, tag_map
from lab.pulumi.aws.types.iam import checked_document
from lab.pulumi.aws.values import Properties

_SERVICE = "secretsmanager"
_GONE = frozenset({"ResourceNotFoundException"})


def _create_secret(aws: Aws, inputs: Properties) -> str:
    made = aws.call(
        _SERVICE,
        "CreateSecret",
        **picked(inputs, {"name": "Name", "description": "Description", "kmsKeyId": "KmsKeyId"}),
        Tags=tag_list(inputs.get("tags")),
    )
    return str(made["ARN"])


def _set_policy(task: Task) -> None:
    if task.news.get("policy"):
        task.aws.call(_SERVICE, "PutResourcePolicy", SecretId=task.id, ResourcePolicy=task.news["policy"])
    elif task.olds.get("policy"):
        task.aws.call(_SERVICE, "DeleteResourcePolicy", SecretId=task.id)


def _read_secret(aws: Aws, arn: str, _: Properties) -> Properties | None:
    found = aws.call(_SERVICE, "DescribeSecret", SecretId=arn)
    if found.get("DeletedDate"):
        return None
    policy = aws.call(_SERVICE, "GetResourcePolicy", SecretId=arn)
    return {
        "name": found["Name"],
        "description": found.get("Description") or None,
        "kmsKeyId": found.get("KmsKeyId"),
        "policy": policy.get("ResourcePolicy"),
        "arn": found["ARN"],
        "tags": tag_map(found.get("Tags")),
    }


def _update_secret(task: Task) -> None:
    description = task.news.get("description") or ""
    key = task.news.get("kmsKeyId")
    task.aws.call(_SERVICE, "UpdateSecret", SecretId=task.id, Description=description, KmsKeyId=key)


def _delete_secret(task: Task) -> None:
    days = int(task.olds.get("recoveryWindowInDays", 30))
    how: dict[str, Any] = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    task.aws.call(_SERVICE, "DeleteSecret", SecretId=task.id, **how)


SECRET_TYPE = ResourceType(
    type="aws:secretsmanager/secret:Secret",
    create=_create_secret,
    finish=_set_policy,
    read=_read_secret,
    updates=[Update.of(_update_secret, "description", "kmsKeyId"), Update.of(_set_policy, "policy")],
    delete=_delete_secret,
    tagging=SECRET,
    name=AutoName(limit=512),
    state_only=frozenset({"forceOverwriteReplicaSecret", "recoveryWindowInDays"}),
    defaults={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
    computed=frozenset({"policy"}),
    documents=frozenset({"policy"}),
    check=checked_document("policy"),
    gone=_GONE | {"InvalidRequestException"},
)


def _put_value(aws: Aws, inputs: Properties) -> str:
    binary = inputs.get("secretBinary")
    made = aws.call(
        _SERVICE,
        "PutSecretValue",
        SecretId=inputs["secretId"],
        SecretString=inputs.get("secretString"),
        SecretBinary=base64.b64decode(binary) if binary else None,
        VersionStages=inputs.get("versionStages"),
    )
    return f"{inputs['secretId']}|{made['VersionId']}"


def _read_value(aws: Aws, identifier: str, _: Properties) -> Properties | None:
    secret, version = identifier.split("|", 1)
    found = aws.call(_SERVICE, "GetSecretValue", SecretId=secret, VersionId=version)
    binary = found.get("SecretBinary")
    return {
        "secretId": secret,
        "secretString": found.get("SecretString"),
        "secretBinary": base64.b64encode(binary).decode() if binary else None,
        "versionId": found["VersionId"],
        "versionStages": found.get("VersionStages") or [],
        "arn": found["ARN"],
        "secretArn": found["ARN"],
        "hasSecretStringWo": False,
    }


def _holders(task: Task) -> dict[str, str]:
    """Return which version each staging label is on; a label is on one version only."""
    listed = task.aws.call(_SERVICE, "ListSecretVersionIds", SecretId=task.olds["secretId"], IncludeDeprecated=True)
    return {stage: v["VersionId"] for v in listed["Versions"] for stage in v.get("VersionStages") or ()}


def _move_stage(task: Task, stage: str, *, off: str | None, to: str | None) -> None:
    secret = task.olds["secretId"]
    moved = {"SecretId": secret, "VersionStage": stage, "RemoveFromVersionId": off, "MoveToVersionId": to}
    task.aws.call(_SERVICE, "UpdateSecretVersionStage", **moved)


def _move_stages(task: Task) -> None:
    version, holders = task.id.split("|", 1)[1], _holders(task)
    wanted = set(task.news.get("versionStages") or ())
    for stage in sorted(s for s in wanted if holders.get(s) != version):
        _move_stage(task, stage, off=holders.get(stage), to=version)
    for stage in sorted(s for s, holder in holders.items() if holder == version and s not in wanted):
        _move_stage(task, stage, off=version, to=None)


def _drop_value(task: Task) -> None:
    """Take the labels off the version; the service forgets it then. The current version only goes with its secret."""
    version = task.id.split("|", 1)[1]
    for stage, holder in _holders(task).items():
        if holder == version and stage != "AWSCURRENT":
            _move_stage(task, stage, off=version, to=None)


SECRET_VERSION = ResourceType(
    type="aws:secretsmanager/secretVersion:SecretVersion",
    create=_put_value,
    read=_read_value,
    updates=[Update.of(_move_stages, "versionStages")],
    delete=_drop_value,
    replace_on=frozenset({"secretId", "secretString", "secretBinary"}),
    computed=frozenset({"versionStages"}),
    sets=frozenset({"versionStages"}),
    secret=frozenset({"secretString", "secretBinary"}),
    gone=_GONE | {"InvalidRequestException"},
)


def _create_key(aws: Aws, inputs: Properties) -> str:
    names = {
        "description": "Description",
        "keyUsage": "KeyUsage",
        "customerMasterKeySpec": "KeySpec",
        "multiRegion": "MultiRegion",
        "policy": "Policy",
    }
    tags = tag_list(inputs.get("tags"), key="TagKey", value="TagValue")
    return str(aws.call("kms", "CreateKey", **picked(inputs, names), Tags=tags)["KeyMetadata"]["KeyId"])


def _finish_key(task: Task) -> None:
    if task.news.get("enableKeyRotation"):
        _rotate(task)
    if task.news.get("isEnabled") is False:
        _enable(task)


def _rotate(task: Task) -> None:
    if task.news.get("enableKeyRotation"):
        period = task.news.get("rotationPeriodInDays")
        task.aws.call("kms", "EnableKeyRotation", KeyId=task.id, RotationPeriodInDays=period)
    else:
        task.aws.call("kms", "DisableKeyRotation", KeyId=task.id)


def _enable(task: Task) -> None:
    task.aws.call("kms", "EnableKey" if task.news.get("isEnabled", True) else "DisableKey", KeyId=task.id)


def _read_key(aws: Aws, key: str, _: Properties) -> Properties | None:
    found = aws.call("kms", "DescribeKey", KeyId=key)["KeyMetadata"]
    if found["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    tags = aws.call("kms", "ListResourceTags", KeyId=key)["Tags"]
    rotation = aws.call("kms", "GetKeyRotationStatus", KeyId=key)
    return {
        "description": found.get("Description") or None,
        "keyUsage": found.get("KeyUsage"),
        "customerMasterKeySpec": found.get("KeySpec"),
        "multiRegion": bool(found.get("MultiRegion")),
        "isEnabled": bool(found.get("Enabled")),
        "enableKeyRotation": bool(rotation["KeyRotationEnabled"]),
        "rotationPeriodInDays": rotation.get("RotationPeriodInDays"),
        "policy": aws.call("kms", "GetKeyPolicy", KeyId=key, PolicyName="default")["Policy"],
        "keyId": found["KeyId"],
        "arn": found["Arn"],
        "tags": tag_map(tags, key="TagKey", value="TagValue"),
    }


def _describe_key(task: Task) -> None:
    description = task.news.get("description") or ""
    task.aws.call("kms", "UpdateKeyDescription", KeyId=task.id, Description=description)


def _put_key_policy(task: Task) -> None:
    task.aws.call("kms", "PutKeyPolicy", KeyId=task.id, PolicyName="default", Policy=task.news["policy"])


def _schedule_deletion(task: Task) -> None:
    days = task.olds.get("deletionWindowInDays", 30)
    task.aws.call("kms", "ScheduleKeyDeletion", KeyId=task.id, PendingWindowInDays=days)


KEY = ResourceType(
    type="aws:kms/key:Key",
    create=_create_key,
    finish=_finish_key,
    read=_read_key,
    updates=[
        Update.of(_describe_key, "description"),
        Update.of(_put_key_policy, "policy"),
        Update.of(_rotate, "enableKeyRotation", "rotationPeriodInDays"),
        Update.of(_enable, "isEnabled"),
    ],
    delete=_schedule_deletion,
    tagging=KMS,
    replace_on=frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"}),
    state_only=frozenset({"bypassPolicyLockoutSafetyCheck", "deletionWindowInDays"}),
    defaults={
        "bypassPolicyLockoutSafetyCheck": False,
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
    },
    computed=frozenset({"description", "multiRegion", "policy", "rotationPeriodInDays"}),
    documents=frozenset({"policy"}),
    check=checked_document("policy"),
    gone=frozenset({"NotFoundException", "KMSInvalidStateException"}),
)


def _create_alias(aws: Aws, inputs: Properties) -> str:
    aws.call("kms", "CreateAlias", AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
    return str(inputs["name"])


def _read_alias(aws: Aws, name: str, state: Properties) -> Properties | None:
    found = next((a for a in aws.pages("kms", "ListAliases", "Aliases") if a["AliasName"] == name), None)
    if found is None:
        return None
    key = found["TargetKeyId"]
    asked = str(state.get("targetKeyId", ""))
    return {
        "name": name,
        # The key may have been named by its ARN.
        "targetKeyId": asked if asked.rpartition("/")[2] == key else key,
        "targetKeyArn": aws.arn("kms", f"key/{key}"),
        "arn": found.get("AliasArn") or aws.arn("kms", name),
    }


def _move_alias(task: Task) -> None:
    task.aws.call("kms", "UpdateAlias", AliasName=task.id, TargetKeyId=task.news["targetKeyId"])


ALIAS = ResourceType(
    type="aws:kms/alias:Alias",
    create=_create_alias,
    read=_read_alias,
    updates=[Update.of(_move_alias, "targetKeyId")],
    delete=lambda t: t.aws.call("kms", "DeleteAlias", AliasName=t.id),
    name=AutoName(limit=256, shape=lambda name: f"alias/{name}"),
    gone=frozenset({"NotFoundException"}),
)
