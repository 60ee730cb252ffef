"""Plans and selections of AWS Backup."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws.world import AwsWorld

RULE = {"RuleName": "daily", "TargetBackupVaultName": "vault"}
SELECTION = {
    "SelectionName": "data",
    "IamRoleArn": "arn:aws:iam::123456789012:role/backup",
    "Resources": ["arn:aws:ec2:*:*:volume/*"],
    "Conditions": {"StringEquals": [{"ConditionKey": "aws:ResourceTag/bitbucket-dc:cluster", "ConditionValue": "bb"}]},
}


@pytest.fixture
def backup(world: AwsWorld) -> Any:
    return world.client("backup")


@pytest.fixture
def plan(backup: Any) -> str:
    return str(backup.create_backup_plan(BackupPlan={"BackupPlanName": "bb", "Rules": [RULE]})["BackupPlanId"])


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def test_a_selection_is_made_shown_listed_and_deleted(backup: Any, plan: str) -> None:
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=SELECTION)["SelectionId"]
    shown = backup.get_backup_selection(BackupPlanId=plan, SelectionId=made)
    assert shown["BackupSelection"] == SELECTION
    listed = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    assert [(s["SelectionId"], s["SelectionName"]) for s in listed] == [(made, "data")]
    backup.delete_backup_selection(BackupPlanId=plan, SelectionId=made)
    assert backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"] == []


def test_a_name_is_taken_once(backup: Any, plan: str) -> None:
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=SELECTION)
    with pytest.raises(ClientError) as refused:
        backup.create_backup_selection(BackupPlanId=plan, BackupSelection=SELECTION)
    assert code(refused) == "AlreadyExistsException"


def test_a_plan_with_selections_stays(backup: Any, plan: str) -> None:
    made = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=SELECTION)["SelectionId"]
    with pytest.raises(ClientError) as refused:
        backup.delete_backup_plan(BackupPlanId=plan)
    assert code(refused) == "InvalidRequestException"
    backup.delete_backup_selection(BackupPlanId=plan, SelectionId=made)
    backup.delete_backup_plan(BackupPlanId=plan)


def test_what_is_not_there_is_not_found(backup: Any, plan: str) -> None:
    with pytest.raises(ClientError) as refused:
        backup.get_backup_selection(BackupPlanId=plan, SelectionId="none")
    assert code(refused) == "ResourceNotFoundException"


def test_a_plan_is_changed_and_gets_a_version(backup: Any, plan: str) -> None:
    before = backup.get_backup_plan(BackupPlanId=plan)["VersionId"]
    changed = {"BackupPlanName": "bb", "Rules": [{**RULE, "Lifecycle": {"DeleteAfterDays": 7}}]}
    backup.update_backup_plan(BackupPlanId=plan, BackupPlan=changed)
    after = backup.get_backup_plan(BackupPlanId=plan)
    assert after["VersionId"] != before
    assert after["BackupPlan"]["Rules"][0]["Lifecycle"] == {"DeleteAfterDays": 7}
