"""AWS Backup: Vault, VaultLockConfiguration, Plan, Selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.pulumi.aws.coerce import capitalised, uncapitalised
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked
from lab.pulumi.aws.tagging import retagging
from lab.pulumi.aws.values import Properties

_GONE = frozenset({"ResourceNotFoundException", "AccessDeniedException"})
_TAGGING = retagging(
    lambda t, tags: t.aws.call("backup", "TagResource", ResourceArn=t.olds["arn"], Tags=tags),
    lambda t, keys: t.aws.call("backup", "UntagResource", ResourceArn=t.olds["arn"], TagKeyList=keys),
)


def _tags(aws: Aws, arn: str) -> dict[str, str]:
    return dict(aws.call("backup", "ListTags", ResourceArn=arn).get("Tags") or {})


def _create_vault(aws: Aws, inputs: Properties) -> str:
    names = {"name": "BackupVaultName", "kmsKeyArn": "EncryptionKeyArn"}
    aws.call("backup", "CreateBackupVault", **picked(inputs, names), BackupVaultTags=inputs.get("tags") or None)
    return str(inputs["name"])


def _vault(aws: Aws, name: str) -> Any:
    return aws.call("backup", "DescribeBackupVault", BackupVaultName=name)


def _read_vault(aws: Aws, name: str, _: Properties) -> Properties | None:
    found = _vault(aws, name)
    return {
        "name": name,
        "kmsKeyArn": found.get("EncryptionKeyArn"),
        "arn": found["BackupVaultArn"],
        "recoveryPoints": found.get("NumberOfRecoveryPoints") or 0,
        "tags": _tags(aws, found["BackupVaultArn"]),
    }


VAULT = ResourceType(
    type="aws:backup/vault:Vault",
    create=_create_vault,
    read=_read_vault,
    delete=lambda t: t.aws.call("backup", "DeleteBackupVault", BackupVaultName=t.id),
    tagging=_TAGGING,
    name=AutoName(limit=50),
    replace_on=frozenset({"kmsKeyArn"}),
    state_only=frozenset({"forceDestroy"}),
    defaults={"forceDestroy": False},
    computed=frozenset({"kmsKeyArn"}),
    gone=_GONE,
)
_LOCK = {
    "backupVaultName": "BackupVaultName",
    "changeableForDays": "ChangeableForDays",
    "maxRetentionDays": "MaxRetentionDays",
    "minRetentionDays": "MinRetentionDays",
}


def _create_lock(aws: Aws, inputs: Properties) -> str:
    aws.call("backup", "PutBackupVaultLockConfiguration", **picked(inputs, _LOCK))
    return str(inputs["backupVaultName"])


def _read_lock(aws: Aws, name: str, _: Properties) -> Properties | None:
    found = _vault(aws, name)
    if not found.get("Locked"):
        return None
    return {
        "backupVaultName": name,
        "backupVaultArn": found["BackupVaultArn"],
        "maxRetentionDays": found.get("MaxRetentionDays"),
        "minRetentionDays": found.get("MinRetentionDays"),
    }


LOCK = ResourceType(
    type="aws:backup/vaultLockConfiguration:VaultLockConfiguration",
    create=_create_lock,
    read=_read_lock,
    delete=lambda t: t.aws.call("backup", "DeleteBackupVaultLockConfiguration", BackupVaultName=t.id),
    replace_on=frozenset(_LOCK),
    gone=_GONE,
)
_RULE = {
    "completionWindow": "CompletionWindowMinutes",
    "enableContinuousBackup": "EnableContinuousBackup",
    "recoveryPointTags": "RecoveryPointTags",
    "ruleName": "RuleName",
    "schedule": "ScheduleExpression",
    "scheduleExpressionTimezone": "ScheduleExpressionTimezone",
    "startWindow": "StartWindowMinutes",
    "targetVaultName": "TargetBackupVaultName",
}
_LIFE = {"coldStorageAfter": "MoveToColdStorageAfterDays", "deleteAfter": "DeleteAfterDays"}


def _document(inputs: Properties) -> dict[str, Any]:
    rules = []
    for rule in inputs["rules"]:
        sent = picked(rule, _RULE)
        if life := rule.get("lifecycle"):
            sent["Lifecycle"] = picked(life, _LIFE)
        rules.append(sent)
    return {"BackupPlanName": inputs["name"], "Rules": rules}


def _shown_rule(found: Mapping[str, Any]) -> Properties:
    shown = {name: found[key] for name, key in _RULE.items() if found.get(key) is not None}
    if life := found.get("Lifecycle"):
        shown["lifecycle"] = {name: life[key] for name, key in _LIFE.items() if life.get(key) is not None}
    return shown


def _create_plan(aws: Aws, inputs: Properties) -> str:
    tags = inputs.get("tags") or None
    made = aws.call("backup", "CreateBackupPlan", BackupPlan=_document(inputs), BackupPlanTags=tags)
    return str(made["BackupPlanId"])


def _read_plan(aws: Aws, plan: str, _: Properties) -> Properties | None:
    found = aws.call("backup", "GetBackupPlan", BackupPlanId=plan)
    if found.get("DeletionDate"):
        return None
    return {
        "name": found["BackupPlan"]["BackupPlanName"],
        "rules": [_shown_rule(rule) for rule in found["BackupPlan"]["Rules"]],
        "arn": found["BackupPlanArn"],
        "version": found["VersionId"],
        "tags": _tags(aws, found["BackupPlanArn"]),
    }


def _update_plan(task: Task) -> None:
    task.aws.call("backup", "UpdateBackupPlan", BackupPlanId=task.id, BackupPlan=_document(task.news))


PLAN = ResourceType(
    type="aws:backup/plan:Plan",
    create=_create_plan,
    read=_read_plan,
    updates=[Update.of(_update_plan, "rules")],
    delete=lambda t: t.aws.call("backup", "DeleteBackupPlan", BackupPlanId=t.id),
    tagging=_TAGGING,
    recomputed=lambda _news, changed: {"version"} if "rules" in changed else (),
    name=AutoName(limit=50),
    sets=frozenset({"rules"}),
    gone=_GONE,
)
_CONDITIONS = {
    "stringEquals": "StringEquals",
    "stringLikes": "StringLike",
    "stringNotEquals": "StringNotEquals",
    "stringNotLikes": "StringNotLike",
}
_CHOICE = ("conditions", "iamRoleArn", "notResources", "planId", "resources", "selectionTags")
_PAIR = {"key": "ConditionKey", "value": "ConditionValue"}


def _turned(pairs: Any, turn: Callable[[Mapping[str, Any]], Any]) -> list[Any]:
    return [turn(pair) for pair in pairs or ()]


def _selection(inputs: Properties) -> dict[str, Any]:
    conditions: dict[str, list[Any]] = {}
    for asked in inputs.get("conditions") or ():
        for name, key in _CONDITIONS.items():
            conditions.setdefault(key, []).extend(_turned(asked.get(name), lambda pair: picked(pair, _PAIR)))
    return {
        "SelectionName": inputs["name"],
        "IamRoleArn": inputs["iamRoleArn"],
        "Resources": inputs.get("resources") or [],
        "NotResources": inputs.get("notResources") or [],
        "Conditions": {key: pairs for key, pairs in conditions.items() if pairs},
        "ListOfTags": [
            {"ConditionType": t["type"], "ConditionKey": t["key"], "ConditionValue": t["value"]}
            for t in inputs.get("selectionTags") or ()
        ],
    }


def _create_selection(aws: Aws, inputs: Properties) -> str:
    sent = capitalised(_selection(inputs))
    made = aws.call("backup", "CreateBackupSelection", BackupPlanId=inputs["planId"], BackupSelection=sent)
    return f"{inputs['planId']}|{made['SelectionId']}"


def _read_selection(aws: Aws, identifier: str, _: Properties) -> Properties | None:
    plan, _bar, selection = identifier.partition("|")
    found = aws.call("backup", "GetBackupSelection", BackupPlanId=plan, SelectionId=selection)["BackupSelection"]
    shown = {
        name: [{"key": p["ConditionKey"], "value": p["ConditionValue"]} for p in pairs]
        for name, key in _CONDITIONS.items()
        if (pairs := (found.get("Conditions") or {}).get(key))
    }
    return {
        "planId": plan,
        "name": found["SelectionName"],
        "iamRoleArn": found["IamRoleArn"],
        "resources": found.get("Resources") or [],
        "notResources": found.get("NotResources") or [],
        "conditions": [shown] if shown else [],
        "selectionTags": [uncapitalised(_tag(t)) for t in found.get("ListOfTags") or ()],
    }


def _tag(found: Mapping[str, str]) -> dict[str, str]:
    return {"Type": found["ConditionType"], "Key": found["ConditionKey"], "Value": found["ConditionValue"]}


def _delete_selection(task: Task) -> None:
    plan, _bar, selection = task.id.partition("|")
    task.aws.call("backup", "DeleteBackupSelection", BackupPlanId=plan, SelectionId=selection)


SELECTION = ResourceType(
    type="aws:backup/selection:Selection",
    create=_create_selection,
    read=_read_selection,
    delete=_delete_selection,
    name=AutoName(limit=50),
    replace_on=frozenset(_CHOICE),
    sets=frozenset({"conditions", "notResources", "resources", "selectionTags"}),
    gone=_GONE | {"InvalidParameterValueException"},
)
