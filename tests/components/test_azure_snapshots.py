"""The stack of scheduled backups on Azure: what its configuration says, and what it declares for it."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.azure.other_stack import OtherStack
from components.azure.snapshot_schedule import AzureSnapshotSchedule
from components.checks import InvalidInput
from components.snapshots import TaskSpec, read
from tests.components import recorder
from tests.components.recorder import SUBSCRIPTION, record, strings

PERMISSIONS = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "permissions.md").read_text()
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/bitbucket"
SECRETS = f"{GROUP}/providers/Microsoft.KeyVault/vaults/secrets/secrets"
REGISTRY = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/images"
JOB: Any = {
    "cloud": "azure",
    "clusterStack": "organization/bitbucket-dc/production",
    "image": "images.example/bbdc:1",
    "passwordSecret": f"{SECRETS}/password",
}
STORE = "https://bitbucket1234.blob.core.windows.net/backups"
OUTPUTS = {
    "clusterName": "bitbucket",
    "url": "https://bitbucket.example.com",
    "vpcId": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/bitbucket-network",
    "resourceGroup": "bitbucket",
    "autoScalingGroupName": "bitbucket-nodes",
    "backupBucket": STORE,
}
ANSWERS: Any = {
    "azure-native:resources:getResourceGroup": {"name": "bitbucket", "location": "westeurope"},
    "azure-native:keyvault:getVault": {"properties": {"vaultUri": "https://secrets.vault.azure.net/"}},
}


def spec(**values):
    every = {f"bitbucket-dc-snapshots:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    pulumi.runtime.set_all_config(every, [])
    return read(pulumi.Config("bitbucket-dc-snapshots"))


@pytest.fixture(autouse=True)
def _no_config_left_behind():
    yield
    pulumi.runtime.set_all_config({}, [])


def build(patch, **values):
    asked = spec(**values)
    assert isinstance(asked.how, TaskSpec)
    how = asked.how
    patch.setitem(recorder.COMPUTED, "pulumi:pulumi:StackReference", {"outputs": OUTPUTS})

    def program():
        AzureSnapshotSchedule("backups", asked.timing, how, OtherStack.refer(asked.cluster_stack, asked.tags))

    return record(program, answers=ANSWERS)


@pytest.fixture(scope="module")
def scheduled():
    with pytest.MonkeyPatch.context() as patch:
        journal = f"{SECRETS}/journal"
        yield build(patch, **JOB, journalSecret=journal, registry=REGISTRY, tags={"owner": "platform"})


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("native", {"native": True}),
        ("schedule", {"schedule": "cron(0 1 * * ? *)"}),
        ("schedule", {"schedule": "0 1 * *"}),
        ("timeZone", {"timeZone": "Europe/Berlin"}),
        ("passwordSecret", {"passwordSecret": "https://secrets.vault.azure.net/secrets/password"}),
        ("passwordSecret", {"passwordSecret": "correct horse"}),
        ("journalSecret", {"journalSecret": "postgresql://bbdc:secret@db/bbdc"}),
        ("registry", {"registry": "images.example"}),
        ("cpu", {"cpu": 700, "memory": 1400}),
        ("memory", {"memory": 4096}),
        ("maxAgeHours", {"maxAgeHours": 49}),
        ("retries", {"retries": 5}),
    ],
)
def test_what_means_nothing_on_azure_is_refused_by_its_key(key, values):
    with pytest.raises(InvalidInput, match=rf"^{key}: "):
        spec(**{**JOB, **values})


def test_every_night_is_what_nobody_asked_for(scheduled):
    trigger = scheduled.one("Job").inputs["configuration"]
    assert trigger["triggerType"] == "Schedule"
    assert trigger["scheduleTriggerConfig"] == {
        "cronExpression": "0 1 * * *",
        "parallelism": 1,
        "replicaCompletionCount": 1,
    }
    assert trigger["replicaRetryLimit"] == 0


@pytest.mark.parametrize(("zero_downtime", "more"), [(False, []), (True, ["--zero-downtime"])])
def test_the_job_runs_our_command(monkeypatch, zero_downtime, more):
    (found,) = build(monkeypatch, **JOB, zeroDowntime=zero_downtime).one("Job").inputs["template"]["containers"]
    assert [*found["command"], *found["args"]] == ["bbdc", "backup", "create", "--json", *more]
    assert found["resources"] == {"cpu": 0.5, "memory": "1Gi"}


def test_the_job_knows_its_cluster_and_gets_secrets_by_reference_only(scheduled):
    job = scheduled.one("Job").inputs
    (found,) = job["template"]["containers"]
    assert {e["name"]: e.get("value", e.get("secretRef")) for e in found["env"]} == {
        "AZURE_CLIENT_ID": "client-1",
        "BBDC_BACKUP__BUCKET": STORE,
        "BBDC_BACKUP__METRICS_NAMESPACE": "BitbucketDC",
        "BBDC_CLOUD": "azure",
        "BBDC_CLUSTER": "bitbucket",
        "BBDC_RESOURCE_GROUP": "bitbucket",
        "BBDC_SUBSCRIPTION": SUBSCRIPTION,
        "BITBUCKET_URL": "https://bitbucket.example.com",
        "BITBUCKET_USER": "bbdc-backup",
        "BITBUCKET_PASSWORD": "password",
        "BBDC_DATABASE_URL": "journal",
    }
    (identity,) = job["identity"]["userAssignedIdentities"]
    vault = "https://secrets.vault.azure.net/secrets"
    assert job["configuration"]["secrets"] == [
        {"name": "password", "keyVaultUrl": f"{vault}/password", "identity": identity},
        {"name": "journal", "keyVaultUrl": f"{vault}/journal", "identity": identity},
    ]
    assert job["configuration"]["registries"] == [{"server": "images.example", "identity": identity}]


def test_the_environment_is_inside_the_estates_network_and_its_log_needs_no_key(scheduled):
    made = scheduled.one("ManagedEnvironment").inputs
    subnet = f"{OUTPUTS['vpcId']}/subnets/backups"
    assert made["vnetConfiguration"] == {"infrastructureSubnetId": subnet, "internal": True}
    assert made["appLogsConfiguration"] == {"destination": "azure-monitor"}
    logs = scheduled.one("DiagnosticSetting").inputs
    assert {line["category"] for line in logs["logs"]} == {"ContainerAppConsoleLogs", "ContainerAppSystemLogs"}


def test_no_row_at_all_wakes_somebody(scheduled):
    rule = scheduled.one("ScheduledQueryRule", "-too-old").inputs
    (criterion,) = rule["criteria"]["allOf"]
    assert (criterion["timeAggregation"], criterion["operator"], criterion["threshold"]) == ("Count", "LessThan", 1)
    assert criterion["query"].splitlines() == [
        "ContainerAppConsoleLogs",
        "| where JobName == 'bitbucket-backup'",
        "| where TimeGenerated > ago(26h)",
        "| where Log contains_cs '\"exit_code\": 0}'",
    ]
    assert (rule["windowSize"], rule["evaluationFrequency"]) == ("P2D", "PT1H")


def test_a_run_that_ended_badly_wakes_somebody_too(scheduled):
    rule = scheduled.one("ScheduledQueryRule", "-failed").inputs
    (criterion,) = rule["criteria"]["allOf"]
    assert (criterion["operator"], criterion["threshold"]) == ("GreaterThan", 0)
    assert "not(Log contains_cs '\"exit_code\": 0}')" in criterion["query"]
    groups = {tuple(r.inputs["actions"]["actionGroups"]) for r in scheduled.of("ScheduledQueryRule")}
    assert groups == {("backups-topic-id",)}


def test_the_identity_has_the_least_rights_each_at_the_least_scope(scheduled):
    scopes = {r.name.removeprefix("backups-backup-"): r.inputs["scope"] for r in scheduled.of("RoleAssignment")}
    account = next(one for one in scopes["keep-manifests"].split("/") if one.startswith("bitbucket") and one[9:])
    container = f"Microsoft.Storage/storageAccounts/{account}/blobServices/default/containers/backups"
    assert scopes == {
        "take-sets": GROUP,
        "keep-manifests": f"{GROUP}/providers/{container}",
        "publish-age": f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/bitbucket-nodes",
        "read-password": f"{SECRETS}/password",
        "read-journal": f"{SECRETS}/journal",
        "pull-image": REGISTRY,
    }


def test_the_role_takes_and_prunes_sets_and_no_more(scheduled):
    role = scheduled.one("RoleDefinition").inputs
    assert role["assignableScopes"] == [GROUP]
    (allowed,) = role["permissions"]
    actions = allowed["actions"]
    assert not [action for action in actions if "*" in action]
    harmful = [action for action in actions if not action.endswith("/read")]
    assert set(harmful) == {
        "Microsoft.Compute/disks/beginGetAccess/action",
        "Microsoft.Compute/restorePointCollections/write",
        "Microsoft.Compute/restorePointCollections/delete",
        "Microsoft.Compute/restorePointCollections/restorePoints/write",
        "Microsoft.Compute/snapshots/write",
        "Microsoft.Compute/snapshots/delete",
        "Microsoft.DBforPostgreSQL/flexibleServers/backups/write",
        "Microsoft.DBforPostgreSQL/flexibleServers/backups/delete",
    }
    assert [action for action in harmful if not fnmatchcase(PERMISSIONS, f"*`{action}`*")] == []


def test_everything_taggable_carries_the_clusters_tag_and_the_operators(scheduled):
    bare = {"DiagnosticSetting", "RoleAssignment", "RoleDefinition", "StackReference"}
    for resource in scheduled.resources:
        if resource.custom and resource.kind not in bare:
            tags = resource.inputs["tags"]
            assert (tags["bitbucket-dc:cluster"], tags["owner"]) == ("bitbucket", "platform"), resource.name
    assert not [text for r in scheduled.resources for text in strings(r.inputs) if "S3cret" in text]
