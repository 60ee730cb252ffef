"""The whole estate through the engine's command line: made, unchanged, upgraded, refreshed, gone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from lab.aws.world import ACCESS_KEY, REGION, SECRET_KEY

ROOT = Path(__file__).parents[3]
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


class Estate:
    """A project directory, a cloud, and the `pulumi` command."""

    def __init__(self, directory: Path, cloud: dict[str, Any]) -> None:
        self.directory = directory
        self.endpoint: str = cloud["endpoint"]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONPATH": str(ROOT),
            "PULUMI_BACKEND_URL": f"file://{directory}/backend",
            "PULUMI_CONFIG_PASSPHRASE": "lab",
            "PULUMI_DEBUG_PROVIDERS": f"aws:{cloud['port']}",
            "AWS_REGION": REGION,
        }
        (directory / "backend").mkdir()
        (directory / "__main__.py").write_text(PROGRAM, "utf-8")
        (directory / "Pulumi.yaml").write_text(
            f"name: bitbucket-dc\nruntime:\n  name: python\n  options:\n    virtualenv: {sys.prefix}\n", "utf-8"
        )

    def pulumi(self, *arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "lab.pulumi", *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, f"{arguments}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    script = str(Path(__file__).with_name("cloud_process.py"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        yield Estate(tmp_path, json.loads(process.stdout.readline()))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.lab
def test_the_estate_from_nothing_to_nothing(estate: Estate) -> None:
    estate.pulumi("stack", "init", "lab")
    for key, value in CONFIG.items():
        estate.pulumi("config", "set", key, value)
    estate.pulumi("up", "--yes")
    estate.pulumi("preview", "--expect-no-changes")
    estate.pulumi("refresh", "--yes")  # what came later shows now: the balancers of a target group
    estate.pulumi("refresh", "--yes", "--expect-no-changes")
    estate.pulumi("preview", "--expect-no-changes")
    _upgrade(estate)
    estate.pulumi("preview", "--expect-no-changes")
    _restore_and_back(estate)
    _destroy(estate)


def _upgrade(estate: Estate) -> None:
    """A new version changes the launch template and the group that follows it, nothing else; no node moves by it."""
    scaling = estate.client("autoscaling")
    before = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    recorded = _recorded(estate)
    estate.pulumi("config", "set", "version", "7.9.4")
    estate.pulumi("up", "--yes")
    after = scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert after["LaunchTemplate"]["Version"] == "2"
    assert {i["InstanceId"] for i in after["Instances"]} == {i["InstanceId"] for i in before["Instances"]}
    changed = {urn.split("::")[2].rpartition("$")[2] for urn, now in _recorded(estate).items() if now != recorded[urn]}
    assert changed == {"aws:ec2/launchTemplate:LaunchTemplate", "aws:autoscaling/group:Group"}


def _restore_and_back(estate: Estate) -> None:
    """Data of two backups beside the first, each of them used in turn, and the first again: no node moves by it."""
    before = _in_use(estate)
    _use(estate, "march", _backups(estate, before))
    march = _in_use(estate)
    assert march["database"] == "estate-database-march"
    assert march["volume"] not in {before["volume"], None}
    assert (march["server"], march["template"]) == ("running", "3")
    _use(estate, "april")
    april = _in_use(estate)
    assert (april["database"], april["server"], april["template"]) == ("estate-database-april", "running", "4")
    _use(estate, "original")
    assert _in_use(estate) == {**before, "template": "5"}
    _retire(estate, "march")
    volumes = [v["VolumeId"] for v in estate.client("ec2").describe_volumes()["Volumes"]]
    assert march["volume"] not in volumes
    assert {before["volume"], april["volume"]} <= set(volumes)


def _backups(estate: Estate, used: dict[str, Any]) -> dict[str, Any]:
    rds = estate.client("rds")
    rds.create_db_snapshot(DBInstanceIdentifier=used["database"], DBSnapshotIdentifier="march")
    home = estate.client("ec2").create_snapshot(VolumeId=used["volume"])["SnapshotId"]
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="march", WaiterConfig={"Delay": 1})
    estate.client("ec2").get_waiter("snapshot_completed").wait(SnapshotIds=[home], WaiterConfig={"Delay": 1})
    moment = f"{datetime.now(UTC) - timedelta(seconds=10):%Y-%m-%dT%H:%M:%SZ}"
    past = {"databaseSource": used["database"], "databaseTime": moment}
    return {
        "march": {"homeSnapshots": [home], "databaseSnapshot": "march"},
        "april": {"homeSnapshots": [home], **past},
    }


def _use(estate: Estate, active: str, generations: dict[str, Any] | None = None) -> None:
    """Make a generation the active one; a second run then finds nothing to do."""
    for name, generation in (generations or {}).items():
        for key, value in generation.items():
            text, path = (value[0], f"{key}[0]") if isinstance(value, list) else (value, key)
            estate.pulumi("config", "set", "--path", f"bitbucket-dc:data.generations.{name}.{path}", text)
    estate.pulumi("config", "set", "--path", "bitbucket-dc:data.active", active)
    estate.pulumi("up", "--yes")
    estate.pulumi("preview", "--expect-no-changes")


def _retire(estate: Estate, name: str) -> None:
    estate.pulumi("config", "set", "--path", "bitbucket-dc:data.retired[0]", name)
    estate.pulumi("up", "--yes")


def _in_use(estate: Estate) -> dict[str, Any]:
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


def _recorded(estate: Estate) -> dict[str, Any]:
    """Return the recorded inputs of the cloud's resources, by URN."""
    resources = json.loads(estate.pulumi("stack", "export"))["deployment"]["resources"]
    return {r["urn"]: r["inputs"] for r in resources if r["type"].startswith("aws:")}


def _destroy(estate: Estate) -> None:
    estate.pulumi("destroy", "--yes")
    ec2 = estate.client("ec2")
    machines = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    assert {i["State"]["Name"] for i in machines} <= {"terminated"}
    assert [v for v in ec2.describe_vpcs()["Vpcs"] if v["CidrBlock"] == CONFIG["vpcCidr"]] == []
    assert estate.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert estate.client("rds").describe_db_instances()["DBInstances"] == []
