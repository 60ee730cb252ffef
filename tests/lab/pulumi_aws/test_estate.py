"""The whole estate through the engine's command line: made, unchanged, upgraded, refreshed, gone."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.lab.pulumi_aws.project import Project, cloud

PROGRAM = """
import pulumi
from components.aws.cluster import AwsBitbucketCluster
from components.config import read

program = read(pulumi.Config(), pulumi.get_stack())
cluster = AwsBitbucketCluster("bitbucket", program.args)
for name, value in cluster.exports().items():
    pulumi.export(name, value)
"""
CONFIG = {
    "version": "7.9.0",
    "name": "estate",
    "vpcCidr": "127.99.0.0/16",
    "insecureHttp": "true",
    "protectData": "false",
    "waitForCapacityTimeout": "2m",
    "deregistrationDelay": "1",  # so long does each node drain before it goes
    "sshDeregistrationDelay": "1",
}


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Project]:
    with cloud() as running:
        yield Project(tmp_path, running, PROGRAM)


@pytest.mark.lab
def test_the_estate_from_nothing_to_nothing(estate: Project) -> None:
    estate.pulumi("stack", "init", "lab")
    pairs = [word for key, value in CONFIG.items() for word in ("--plaintext", f"{key}={value}")]
    estate.pulumi("config", "set-all", *pairs)
    estate.pulumi("up", "--yes")
    estate.pulumi("preview", "--expect-no-changes")
    estate.pulumi("refresh", "--yes")  # what came later shows now: the balancers of a target group
    estate.pulumi("refresh", "--yes", "--expect-no-changes")
    estate.pulumi("preview", "--expect-no-changes")
    _upgrade(estate)
    estate.pulumi("preview", "--expect-no-changes")
    _restore_and_back(estate)
    _destroy(estate)


def _upgrade(estate: Project) -> None:
    """A new version changes the launch template and the group that follows it, nothing else; no node moves by it."""
    scaling = estate.client("autoscaling")
    before = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    recorded = _recorded(estate)
    estate.pulumi("config", "set", "version", "7.9.4")
    estate.pulumi("up", "--yes", "--skip-preview")
    after = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert after["LaunchTemplate"]["Version"] == "2"
    assert {i["InstanceId"] for i in after["Instances"]} == {i["InstanceId"] for i in before["Instances"]}
    changed = {urn.split("::")[2].rpartition("$")[2] for urn, now in _recorded(estate).items() if now != recorded[urn]}
    assert changed == {"aws:ec2/launchTemplate:LaunchTemplate", "aws:autoscaling/group:Group"}


def _restore_and_back(estate: Project) -> None:
    """Data of two backups beside the first, one of them used, and the first again: no node moves by it."""
    before = _in_use(estate)
    _set(estate, active="march", **_backups(estate, before))
    march = _in_use(estate)
    assert march["database"] == "estate-database-march"
    assert march["volume"] != before["volume"]
    assert (march["server"], march["template"]) == ("running", "3")
    _set(estate, **{"active": "original", "retired[0]": "march"})
    assert _in_use(estate) == {**before, "template": "4"}
    databases = {d["DBInstanceIdentifier"] for d in estate.client("rds").describe_db_instances()["DBInstances"]}
    assert databases == {"estate-database", "estate-database-april"}
    assert march["volume"] not in [v["VolumeId"] for v in estate.client("ec2").describe_volumes()["Volumes"]]


def _backups(estate: Project, used: dict[str, Any]) -> dict[str, str]:
    rds = estate.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier=used["database"], DBSnapshotIdentifier="march")
    home = estate.client("ec2").create_snapshot(VolumeId=used["volume"])["SnapshotId"]
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="march", WaiterConfig={"Delay": 1})
    estate.client("ec2").get_waiter("snapshot_completed").wait(SnapshotIds=[home], WaiterConfig={"Delay": 1})
    moment = f"{datetime.now(UTC) - timedelta(seconds=10):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "generations.march.homeSnapshots[0]": home,
        "generations.march.databaseSnapshot": "march",
        "generations.april.homeSnapshots[0]": home,
        "generations.april.databaseSource": used["database"],
        "generations.april.databaseTime": moment,
    }


def _set(estate: Project, **data: str) -> None:
    """Set keys of `data`; a second run then finds nothing to do."""
    pairs = [word for key, value in data.items() for word in ("--plaintext", f"bitbucket-dc:data.{key}={value}")]
    estate.pulumi("config", "set-all", "--path", *pairs)
    estate.pulumi("up", "--yes", "--skip-preview")
    estate.pulumi("preview", "--expect-no-changes")


def _in_use(estate: Project) -> dict[str, Any]:
    """Return the data that is in use and what uses it, as the cloud shows it."""
    outputs = json.loads(estate.pulumi("stack", "output", "--json"))
    group = estate.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    reservations = estate.client("ec2").describe_instances(InstanceIds=[outputs["fileServerId"]])["Reservations"]
    server = reservations[0]["Instances"][0]
    (attached,) = [m["Ebs"]["VolumeId"] for m in server["BlockDeviceMappings"] if m["DeviceName"] == "/dev/sdf"]
    assert outputs["volumeIds"] == [attached]
    return {
        "database": outputs["databaseIdentifier"],
        "volume": attached,
        "server": server["State"]["Name"],
        "template": group["LaunchTemplate"]["Version"],
        "nodes": sorted(i["InstanceId"] for i in group["Instances"]),
    }


def _recorded(estate: Project) -> dict[str, Any]:
    """Return the recorded inputs of the cloud's resources, by URN."""
    resources = json.loads(estate.pulumi("stack", "export"))["deployment"]["resources"]
    return {r["urn"]: r["inputs"] for r in resources if r["type"].startswith("aws:")}


def _destroy(estate: Project) -> None:
    estate.pulumi("destroy", "--yes")
    ec2 = estate.client("ec2")
    machines = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    assert {i["State"]["Name"] for i in machines} <= {"terminated"}
    assert [v for v in ec2.describe_vpcs()["Vpcs"] if v["CidrBlock"] == CONFIG["vpcCidr"]] == []
    assert estate.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert estate.client("rds").describe_db_instances()["DBInstances"] == []
