"""The stack of scheduled backups through the engine's command line, beside the stack that it refers to."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.azure.resources import Resource
from lab.azure.world import GROUP, TENANT, AzureWorld
from lab.pulumi.azure.client import Account, Arm
from lab.pulumi.azure.server import serve
from tests.lab.pulumi_aws.project import ROOT, Project
from tests.lab.pulumi_aws.test_snapshots_stack import CLUSTER

NAME = "nightly"


class Ground:
    """What the cluster's stack would have made: a network, a vault with the password, a scale set, a container."""

    def __init__(self, world: AzureWorld, account: Account) -> None:
        self.world = world
        self.place = f"/subscriptions/{world.subscription}/resourceGroups/{GROUP}/providers"
        delegation = {"name": "apps", "properties": {"serviceName": "Microsoft.App/environments"}}
        subnet = {"addressPrefix": "10.77.10.0/24", "delegations": [delegation]}
        network = {
            "addressSpace": {"addressPrefixes": ["10.77.0.0/16"]},
            "subnets": [{"name": "backups", "properties": subnet}],
        }
        with contextlib.closing(Arm(account, threading.Event())) as arm:
            for name, properties, version in (
                (f"Network/virtualNetworks/{NAME}", network, "2024-05-01"),
                (f"KeyVault/vaults/{NAME}", {"tenantId": TENANT}, "2023-07-01"),
                (f"KeyVault/vaults/{NAME}/secrets/password", {"value": "correct-horse"}, "2023-07-01"),
            ):
                body = {"location": "westeurope", "properties": properties}
                arm.put(f"{self.place}/Microsoft.{name}", version, body, 30)

    def outputs(self) -> dict[str, str]:
        return {
            "clusterName": NAME,
            "url": "http://127.0.0.1:9",  # nobody answers there
            "vpcId": f"{self.place}/Microsoft.Network/virtualNetworks/{NAME}",
            "resourceGroup": GROUP,
            "autoScalingGroupName": f"{NAME}-nodes",
            "backupBucket": "https://127.0.0.1:9/nightly/backups",
        }

    def of(self, kind: str) -> list[Resource]:
        with self.world.lock:
            return list(self.world.resources.of(kind))


@pytest.fixture
def ground(world: AzureWorld, account: Account) -> Ground:
    world.executions.surroundings = {"BBDC_AZURE_ENDPOINT": world.url}
    return Ground(world, account)


@pytest.fixture
def snapshots(tmp_path: Path, ground: Ground, account: Account) -> Iterator[Project]:
    """The stack's own program, with the stack of a cluster in the same backend."""
    server = serve(account)
    program = (ROOT / "stacks" / "snapshots" / "__main__.py").read_text("utf-8")
    made = []
    for directory, text, name in (
        ("cluster", CLUSTER, "bitbucket-dc"),
        ("snapshots", program, "bitbucket-dc-snapshots"),
    ):
        (tmp_path / directory).mkdir()
        cloud = {"endpoint": ground.world.url, "port": 0}
        project = Project(tmp_path / directory, cloud, text, name=name, backend=tmp_path / "backend")
        project.environment["PULUMI_DEBUG_PROVIDERS"] = f"azure-native:{server.port}"
        project.pulumi("stack", "init", "lab")
        made.append(project)
    cluster, snapshots = made
    cluster.pulumi("config", "set", "outputs", json.dumps(ground.outputs()))
    cluster.pulumi("up", "--yes")
    yield snapshots
    server.stop()


@pytest.mark.lab
def test_from_nothing_to_a_job_that_runs_and_back(snapshots: Project, ground: Ground) -> None:
    values = {
        "cloud": "azure",
        "clusterStack": "organization/bitbucket-dc/lab",
        "image": "bbdc:1",
        "passwordSecret": f"{ground.place}/Microsoft.KeyVault/vaults/{NAME}/secrets/password",
    }
    pairs = [word for key, value in values.items() for word in ("--plaintext", f"{key}={value}")]
    snapshots.pulumi("config", "set-all", *pairs)
    snapshots.pulumi("up", "--yes")
    snapshots.pulumi("preview", "--expect-no-changes")
    snapshots.pulumi("refresh", "--yes", "--expect-no-changes")
    (job,) = ground.of("Microsoft.App/jobs")
    assert job.properties["configuration"]["scheduleTriggerConfig"]["cronExpression"] == "0 1 * * *"
    rules = {rule.name: rule for rule in ground.of("Microsoft.Insights/scheduledQueryRules")}
    assert set(rules) == {f"{NAME}-backup-too-old", f"{NAME}-backup-failed"}

    log = run(ground, job)
    assert "correct-horse" not in log
    # There is no Bitbucket: the run ends badly, with the line that the alert looks for.
    (criterion,) = rules[f"{NAME}-backup-failed"].properties["criteria"]["allOf"]
    wanted, unwanted = criterion["query"].splitlines()[-1].split("contains_cs '")[1:]
    assert [line for line in log.splitlines() if wanted.split("'")[0] in line]
    assert unwanted.split("'")[0] not in log

    snapshots.pulumi("destroy", "--yes")
    assert ground.of("Microsoft.App/jobs") == ground.of("Microsoft.App/managedEnvironments") == []


def run(ground: Ground, job: Resource) -> str:
    """Start the job and return what it wrote, once it has ended."""
    executions = ground.world.executions
    with ground.world.lock:
        execution = executions.start(job)
    deadline = time.monotonic() + 60
    while execution.properties["status"] == "Running":
        assert time.monotonic() < deadline, executions.log(execution.name)
        time.sleep(0.05)
    assert execution.properties["status"] == "Failed"
    return executions.log(execution.name)
