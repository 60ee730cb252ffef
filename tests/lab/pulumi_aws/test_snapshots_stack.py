"""The stack of scheduled backups through the engine's command line, beside the stack that it refers to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.pulumi_aws.project import ROOT, Project, cloud

CLUSTER = """
import pulumi

for name, value in pulumi.Config().require_object("outputs").items():
    pulumi.export(name, value)
"""
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:backup-AbCdEf"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


@pytest.fixture
def snapshots(tmp_path: Path) -> Iterator[Project]:
    """The stack's own program, with the stack of a cluster in the same backend."""
    with cloud() as running:
        for name in ("cluster", "snapshots"):
            (tmp_path / name).mkdir()
        cluster = Project(tmp_path / "cluster", running, CLUSTER, backend=tmp_path / "backend")
        cluster.pulumi("stack", "init", "lab")
        cluster.pulumi("config", "set", "outputs", json.dumps(_outputs(cluster)))
        cluster.pulumi("up", "--yes")
        program = (ROOT / "stacks" / "snapshots" / "__main__.py").read_text("utf-8")
        project = Project(
            tmp_path / "snapshots", running, program, name="bitbucket-dc-snapshots", backend=tmp_path / "backend"
        )
        project.pulumi("stack", "init", "lab")
        project.pulumi("config", "set", "clusterStack", "organization/bitbucket-dc/lab")
        yield project


def _outputs(cluster: Project) -> dict[str, Any]:
    vpc = cluster.client("ec2").create_vpc(CidrBlock="127.98.0.0/16")["Vpc"]["VpcId"]
    subnet = cluster.client("ec2").create_subnet(VpcId=vpc, CidrBlock="127.98.0.0/24")["Subnet"]["SubnetId"]
    return {
        "clusterName": "bitbucket-lab",
        "url": "http://127.0.0.1:7990",
        "vpcId": vpc,
        "privateSubnetIds": [subnet],
        "backupBucket": "bitbucket-lab-backups",
        "encryptionKeyArn": KEY,
    }


def _settle(project: Project, **values: str) -> None:
    pairs = [word for key, value in values.items() for word in ("--plaintext", f"{key}={value}")]
    project.pulumi("config", "set-all", *pairs)
    project.pulumi("up", "--yes")
    project.pulumi("preview", "--expect-no-changes")
    project.pulumi("refresh", "--yes", "--expect-no-changes")


@pytest.mark.lab
def test_from_our_own_sets_to_aws_backup_and_to_nothing(snapshots: Project) -> None:
    _settle(snapshots, image="bbdc:1", passwordSecret=SECRET)
    (schedule,) = snapshots.client("scheduler").list_schedules()["Schedules"]
    assert schedule["State"] == "ENABLED"
    assert _alarms(snapshots) == {"BackupAgeSeconds", "ApproximateNumberOfMessagesVisible"}

    _settle(snapshots, native="true", protectData="false")
    backup = snapshots.client("backup")
    assert snapshots.client("scheduler").list_schedules()["Schedules"] == []
    (plan,) = backup.list_backup_plans()["BackupPlansList"]
    assert len(backup.list_backup_selections(BackupPlanId=plan["BackupPlanId"])["BackupSelectionsList"]) == 1
    (vault,) = backup.list_backup_vaults()["BackupVaultList"]
    assert (vault["Locked"], vault["MinRetentionDays"], vault["MaxRetentionDays"]) == (True, 7, 400)

    snapshots.pulumi("destroy", "--yes")
    assert backup.list_backup_plans()["BackupPlansList"] == []
    assert backup.list_backup_vaults()["BackupVaultList"] == []


def _alarms(project: Project) -> set[Any]:
    found = project.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {alarm["MetricName"] for alarm in found}
