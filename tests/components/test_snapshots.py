"""The stack of scheduled backups: what its configuration says, and what it declares for it."""

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.aws.native_backup import AwsNativeBackup
from components.aws.other_stack import OtherStack
from components.aws.snapshot_schedule import AwsSnapshotSchedule
from components.checks import InvalidInput
from components.snapshots import NativeSpec, TaskSpec, read
from tests.components.recorder import record, strings

ROOT = Path(__file__).resolve().parents[2]
DECLARED = yaml.safe_load((ROOT / "stacks" / "snapshots" / "Pulumi.yaml").read_text())["config"]
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:backup-AbCdEf"
JOURNAL = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:journal-AbCdEf"
STACK = "organization/bitbucket-dc/production"
TASK: Any = {"clusterStack": STACK, "image": "registry.example/bbdc:1", "passwordSecret": SECRET}
NATIVE: Any = {"clusterStack": STACK, "native": True}
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"


def spec(**values):
    """Read a stack whose file holds ``values``, over the project's defaults."""
    defaults = {key: entry["default"] for key, entry in DECLARED.items() if "default" in entry}
    every = {
        f"bitbucket-dc-snapshots:{k}": v if isinstance(v, str) else json.dumps(v)
        for k, v in (defaults | values).items()
    }
    pulumi.runtime.set_all_config(every, [])
    return read(pulumi.Config("bitbucket-dc-snapshots"))


@pytest.fixture(autouse=True)
def _no_config_left_behind():
    yield
    pulumi.runtime.set_all_config({}, [])


def build(**values):
    asked = spec(**values)

    def program():
        stack = OtherStack.refer(asked.cluster_stack, asked.tags)
        if isinstance(asked.how, NativeSpec):
            AwsNativeBackup("backups", asked.timing, asked.how, stack, protect=asked.protect)
        else:
            AwsSnapshotSchedule("backups", asked.timing, asked.how, stack)

    return record(program)


# --- Configuration ----------------------------------------------------------------------------------------------------


def test_every_key_is_described_and_all_but_the_clusters_stack_have_a_default():
    assert all({"type", "description"} <= set(entry) for entry in DECLARED.values())
    assert [key for key, entry in DECLARED.items() if "default" not in entry] == ["clusterStack"]


@pytest.mark.parametrize("bare", [TASK, NATIVE])
def test_the_projects_defaults_are_the_programs(bare):
    declared = spec(**bare)
    pulumi.runtime.set_all_config({f"x:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in bare.items()}, [])
    assert read(pulumi.Config("x")) == declared


def test_the_page_lists_every_key():
    page = (ROOT / "docs" / "how-to" / "schedule-backups.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| \S+ \| (.*?) \|", page, re.MULTILINE))
    shown = {key: _shown(entry) for key, entry in DECLARED.items()}
    assert rows == shown


def _shown(entry):
    if "default" not in entry:
        return "required"
    default = entry["default"]
    text = json.dumps(default) if isinstance(default, bool | dict) else str(default)
    return f"`{text}`" if text else ""


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("image", {**TASK, "image": ""}),
        ("passwordSecret", {**TASK, "passwordSecret": ""}),
        ("passwordSecret", {**TASK, "passwordSecret": "correct horse"}),
        ("journalSecret", {**TASK, "journalSecret": "postgresql://bbdc:secret@db/bbdc"}),
        ("schedule", {**TASK, "schedule": "daily"}),
        ("schedule", {**TASK, "schedule": "cron(0 1 * * *)"}),
        ("schedule", {**NATIVE, "schedule": "rate(1 day)"}),
        ("timeZone", {**TASK, "timeZone": "Europe/Berlin Summer"}),
        ("cloud", {**TASK, "cloud": "gcp"}),
        ("registry", {**TASK, "registry": "somewhere"}),
        ("maxAgeHours", {**TASK, "maxAgeHours": 169}),
        ("retries", {**TASK, "retries": 186}),
        ("vaultLockMaxDays", {**NATIVE, "vaultLockMinDays": 500}),
        ("dailyDays", {**NATIVE, "dailyDays": 6}),
        ("monthlyDays", {**NATIVE, "monthlyDays": 401}),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(key, values):
    with pytest.raises(InvalidInput, match=rf"^{key}: "):
        spec(**values)


def test_the_clusters_stack_is_required():
    with pytest.raises(pulumi.ConfigMissingError):
        spec(image="x", passwordSecret=SECRET)


# --- The task ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scheduled():
    return build(**TASK, journalSecret=JOURNAL, tags={"owner": "platform"})


def container(made):
    (found,) = json.loads(made.one("TaskDefinition").inputs["containerDefinitions"])
    return found


@pytest.mark.parametrize(("zero_downtime", "more"), [(False, []), (True, ["--zero-downtime"])])
def test_the_task_runs_our_command(zero_downtime, more):
    found = container(build(**TASK, zeroDowntime=zero_downtime))
    assert [*found["entryPoint"], *found["command"]] == ["bbdc", "backup", "create", "--json", *more]


def test_the_task_knows_its_cluster_and_gets_secrets_by_reference_only(scheduled):
    found = container(scheduled)
    assert {e["name"]: e["value"] for e in found["environment"]} == {
        "AWS_REGION": "eu-west-1",
        "BBDC_BACKUP__BUCKET": "bitbucket-backups-111122223333-eu-west-1",
        "BBDC_BACKUP__METRICS_NAMESPACE": "BitbucketDC",
        "BBDC_CLUSTER": "bitbucket",
        "BITBUCKET_URL": "https://bitbucket.example.com",
        "BITBUCKET_USER": "bbdc-backup",
    }
    assert {s["name"]: s["valueFrom"] for s in found["secrets"]} == {
        "BITBUCKET_PASSWORD": SECRET,
        "BBDC_DATABASE_URL": JOURNAL,
    }


def test_the_task_is_a_fargate_task_in_the_private_subnets(scheduled):
    definition = scheduled.one("TaskDefinition").inputs
    assert (definition["requiresCompatibilities"], definition["networkMode"]) == (["FARGATE"], "awsvpc")
    ecs = scheduled.one("Schedule").inputs["target"]["ecsParameters"]
    assert ecs["networkConfiguration"] == {
        "assignPublicIp": False,
        "securityGroups": ["backups-firewall-id"],
        "subnets": ["subnet-1", "subnet-2", "subnet-3"],
    }
    ports = {r.inputs["fromPort"] for r in scheduled.of("SecurityGroupEgressRule")}
    assert ports == {80, 443, 5432}  # it has a journal
    assert scheduled.of("SecurityGroupIngressRule") == []


def test_the_schedule_is_exact_and_what_cannot_be_started_is_not_lost(scheduled):
    schedule = scheduled.one("Schedule").inputs
    assert (schedule["scheduleExpression"], schedule["scheduleExpressionTimezone"]) == ("cron(0 1 * * ? *)", "Etc/UTC")
    assert schedule["flexibleTimeWindow"] == {"mode": "OFF"}
    assert schedule["target"]["retryPolicy"] == {"maximumRetryAttempts": 3, "maximumEventAgeInSeconds": 3600}
    assert schedule["target"]["deadLetterConfig"] == {"arn": "arn:aws:mock:backups-dead-letters"}
    assert scheduled.one("Queue").inputs["kmsMasterKeyId"] == KEY


def test_silence_and_old_sets_wake_somebody(scheduled):
    alarm = scheduled.one("MetricAlarm", "-too-old").inputs
    assert (alarm["namespace"], alarm["metricName"]) == ("BitbucketDC", "BackupAgeSeconds")
    assert (alarm["threshold"], alarm["period"] * alarm["evaluationPeriods"]) == (26 * 3600, 26 * 3600)
    assert (alarm["treatMissingData"], alarm["statistic"]) == ("breaching", "Minimum")
    assert alarm["dimensions"] == {"Cluster": "bitbucket"}
    letters = scheduled.one("MetricAlarm", "-not-started").inputs
    assert letters["dimensions"] == {"QueueName": "backups-dead-letters"}
    assert {tuple(a.inputs["alarmActions"]) for a in scheduled.of("MetricAlarm")} == {("arn:aws:mock:backups-topic",)}


def statements(made, ending):
    return {s["Sid"]: s for s in json.loads(made.one("RolePolicy", ending).inputs["policy"])["Statement"]}


def test_the_task_may_do_what_a_backup_does_and_nothing_else(scheduled):
    allowed = statements(scheduled, "-backup-policy")
    actions = {a for s in allowed.values() for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}
    assert actions == {
        "autoscaling:DescribeAutoScalingGroups",
        "cloudwatch:PutMetricData",
        *(f"ec2:{a}" for a in ("CreateSnapshot", "CreateSnapshots", "CreateTags", "DeleteSnapshot")),
        *(f"ec2:Describe{a}" for a in ("Instances", "Snapshots", "Volumes")),
        *(f"kms:{a}" for a in ("CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*")),
        *(f"rds:{a}" for a in ("AddTagsToResource", "CreateDBSnapshot", "DeleteDBSnapshot", "ListTagsForResource")),
        *(f"rds:Describe{a}" for a in ("DBClusterSnapshots", "DBClusters", "DBInstances", "DBSnapshots")),
        *(f"s3:{a}" for a in ("DeleteObject", "GetObject", "ListBucket", "PutObject")),
        "sts:GetCallerIdentity",
    }
    assert {sid for sid, s in allowed.items() if s["Resource"] == "*"} == {"Look", "PublishAge"}


def test_the_task_deletes_members_of_our_sets_only(scheduled):
    allowed = statements(scheduled, "-backup-policy").values()
    deleting = [s for s in allowed if {"ec2:DeleteSnapshot", "rds:DeleteDBSnapshot"} & set(s["Action"])]
    assert len(deleting) == 2
    for statement in deleting:
        assert statement["Condition"] == {
            "StringEquals": {"aws:ResourceTag/bitbucket-dc:cluster": "bitbucket"},
            "Null": {"aws:ResourceTag/bitbucket-dc:backup-set": "false"},
        }


def test_snapshots_are_born_with_the_clusters_tag_or_not_at_all(scheduled):
    for sid in ("BornTagged", "DatabaseSnapshotsBornTagged"):
        condition = statements(scheduled, "-backup-policy")[sid]["Condition"]
        assert condition == {"StringEquals": {"aws:RequestTag/bitbucket-dc:cluster": "bitbucket"}}


def test_the_start_reads_these_secrets_and_the_schedule_runs_this_task(scheduled):
    assert statements(scheduled, "-start-policy")["ReadSecrets"]["Resource"] == [SECRET, JOURNAL]
    schedule = statements(scheduled, "-schedule-policy")
    family = "arn:aws:ecs:eu-west-1:111122223333:task-definition/backups"
    assert schedule["RunTheTask"]["Resource"] == [family, f"{family}:*"]
    assert schedule["HandOverRoles"]["Resource"] == [
        "arn:aws:mock:backups-backup-role",
        "arn:aws:mock:backups-start-role",
    ]


def test_roles_are_taken_for_this_account_only(scheduled):
    for role in scheduled.of("Role"):
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


# --- AWS Backup -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def native():
    return build(**NATIVE, schedule="cron(30 2 * * ? *)", timeZone="Europe/Berlin", tags={"owner": "platform"})


def test_no_task_runs_beside_aws_backup(native):
    assert {r.kind for r in native.resources if r.custom} == {
        "Plan",
        "Role",
        "RolePolicyAttachment",
        "Selection",
        "Vault",
        "VaultLockConfiguration",
    }


def test_daily_weekly_and_monthly_points_are_kept_for_their_time(native):
    rules = {r["ruleName"]: r for r in native.one("Plan").inputs["rules"]}
    assert {name: (r["schedule"], r["lifecycle"]["deleteAfter"]) for name, r in rules.items()} == {
        "daily": ("cron(30 2 * * ? *)", 35),
        "weekly": ("cron(30 2 ? * SUN *)", 90),
        "monthly": ("cron(30 2 1 * ? *)", 400),
    }
    assert {r["scheduleExpressionTimezone"] for r in rules.values()} == {"Europe/Berlin"}


@pytest.mark.parametrize(("compliance", "final"), [(False, None), (True, 3)])
def test_the_vault_is_locked_and_final_only_when_that_is_asked_for(compliance, final):
    made = build(**NATIVE, vaultLockCompliance=compliance)
    lock = made.one("VaultLockConfiguration").inputs
    assert (lock["minRetentionDays"], lock["maxRetentionDays"], lock.get("changeableForDays")) == (7, 400, final)
    assert made.one("Vault").inputs["kmsKeyArn"] == KEY


@pytest.mark.parametrize("protect", [True, False])
def test_the_vault_is_protected_as_data(protect):
    assert build(**NATIVE, protectData=protect).one("Vault").protect is protect


def test_data_of_this_cluster_is_selected_and_nothing_else(native):
    selection = native.one("Selection").inputs
    assert selection["resources"] == ["arn:aws:ec2:*:*:volume/*", "arn:aws:rds:*:*:db:*"]
    assert selection["conditions"] == [
        {
            "stringEquals": [{"key": "aws:ResourceTag/bitbucket-dc:cluster", "value": "bitbucket"}],
            "stringLikes": [{"key": "aws:ResourceTag/bitbucket-dc:generation", "value": "*"}],
        }
    ]


@pytest.mark.parametrize("which", ["scheduled", "native"])
def test_everything_taggable_carries_the_clusters_tag_and_the_operators(which, request):
    made = request.getfixturevalue(which)
    bare = {"RolePolicy", "RolePolicyAttachment", "Schedule", "Selection", "VaultLockConfiguration"}
    for resource in made.resources:
        if resource.custom and resource.kind not in bare:
            tags = resource.inputs["tags"]
            assert (tags["bitbucket-dc:cluster"], tags["owner"]) == ("bitbucket", "platform"), resource.name
    assert not [text for r in made.resources for text in strings(r.inputs) if "S3cret" in text]


def test_the_two_ways_are_told_apart_by_the_configuration():
    assert isinstance(spec(**TASK).how, TaskSpec)
    assert isinstance(spec(**NATIVE).how, NativeSpec)
