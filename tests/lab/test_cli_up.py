"""``bbdc lab up`` by the whole way: daemon, Pulumi program, nodes, balancer; and again, and down."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError, WaiterError

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parents[2]

ASK = """
secret="--region eu-west-1 --secret-id {arn} --query SecretString --output text"
PGPASSWORD="$(aws secretsmanager get-secret-value $secret)"
export PGPASSWORD
psql 'host={host} user={user}' -Atc 'select count(*) from repositories'
ls "$BBDC_ROOT/var/atlassian/application-data/bitbucket/shared/data/repositories" | wc -l
"""
"""What a node may do: it knows the database's secret, and sees the shared home."""


def bbdc(directory: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "lab.cli", *arguments, "--dir", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def tree() -> str:
    """What Git makes of the working tree, stack files that it ignores included."""
    done = subprocess.run(
        ["git", "status", "--porcelain", "--ignored", "Pulumi.*", "stacks"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout


def test_up_again_and_down(tmp_path: Path) -> None:
    lab, before = tmp_path / "lab", tree()
    try:
        built = json.loads(bbdc(lab, "up", "--nodes", "2", "--boot", "1", "--json"))
        assert built["built"] is True
        assert built["cluster"]["state"] == "STABLE"
        nodes = [machine for machine in built["machines"] if machine["role"] == "node"]
        assert [(node["version"], node["state"]) for node in nodes] == [("7.9.0", "ACTIVE")] * 2
        assert {target["state"] for target in built["targets"]} == {"healthy"}
        found = httpx.get(f"{built['url']}/rest/api/latest/repos", params={"limit": 100}, auth=credentials(lab)).json()
        assert found["size"] >= 20
        assert tree() == before
        the_data_are_where_aws_says(lab)

        again = json.loads(bbdc(lab, "up", "--nodes", "5", "--version", "8.9.0", "--json"))
        assert again["built"] is False
        assert [machine["instance"] for machine in again["machines"]] == [m["instance"] for m in built["machines"]]
        assert "bitbucket-dc:version: 7.9.0" in (lab / "Pulumi.lab.yaml").read_text()
    finally:
        bbdc(lab, "down")
    assert not [path.name for path in lab.iterdir() if path.name != ".lock"]
    assert "no lab runs" in bbdc(lab, "status", code=8)


def the_data_are_where_aws_says(lab: Path) -> None:
    """Volume and database hold what Bitbucket serves; the machines see them; copies of both hold the same."""
    values = environment(lab)
    ec2, rds, ssm = (client(values, service) for service in ("ec2", "rds", "ssm"))
    (server,) = instances(ec2, "file-server")
    found = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [server["InstanceId"]]}])
    (volume,) = [one for one in found["Volumes"] if one["Attachments"][0]["Device"] != server["RootDeviceName"]]
    made = ec2.create_snapshots(InstanceSpecification={"InstanceId": server["InstanceId"], "ExcludeBootVolume": True})
    copy = lab / "snapshots" / made["Snapshots"][0]["SnapshotId"] / "shared" / "data" / "repositories"
    repositories = [path.name for path in copy.iterdir()]
    assert sorted(repositories) == sorted(
        path.name for path in (lab / "volumes" / volume["VolumeId"] / "shared" / "data" / "repositories").iterdir()
    )
    for name in repositories[:3]:
        subprocess.run(["git", "fsck", "--strict"], cwd=copy / name, capture_output=True, check=True)
    (database,) = rds.describe_db_instances()["DBInstances"]
    asked = ASK.format(arn=secret(values), host=database["Endpoint"]["Address"], user=database["MasterUsername"])
    assert on_machine(ssm, instances(ec2, "node")[0]["InstanceId"], asked) == [str(len(repositories))] * 2
    assert on_machine(ssm, server["InstanceId"], 'ls "$BBDC_ROOT/srv/bitbucket-dc"') == ["shared"]
    rds.create_db_snapshot(DBSnapshotIdentifier="one", DBInstanceIdentifier=database["DBInstanceIdentifier"])
    assert (lab / "database-snapshots" / "eu-west-1" / "one" / "bitbucket.sqlite").exists()
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="one", WaiterConfig={"Delay": 1})
    rds.delete_db_snapshot(DBSnapshotIdentifier="one")
    snapshots_go_wrong(lab, rds, database["DBInstanceIdentifier"])


def snapshots_go_wrong(lab: Path, rds: Any, database: str) -> None:
    wanted = {"DBSnapshotIdentifier": "two", "DBInstanceIdentifier": database}
    bbdc(lab, "fault", "set", "snapshot-quota", "times=1")
    with pytest.raises(ClientError, match="SnapshotQuotaExceeded"):
        rds.create_db_snapshot(**wanted)
    bbdc(lab, "fault", "set", "database-busy", "state=modifying", "seconds=2")
    with pytest.raises(ClientError, match="InvalidDBInstanceState"):
        rds.create_db_snapshot(**wanted)
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=database, WaiterConfig={"Delay": 1})
    bbdc(lab, "fault", "set", "database-snapshot-fails")
    rds.create_db_snapshot(**wanted)
    with pytest.raises(WaiterError):
        rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="two", WaiterConfig={"Delay": 1})
    rds.delete_db_snapshot(DBSnapshotIdentifier="two")


def environment(lab: Path) -> dict[str, str]:
    return dict(line.removeprefix("export ").split("=", 1) for line in bbdc(lab, "env").splitlines())


def client(values: dict[str, str], service: str) -> Any:
    return boto3.client(
        service, region_name="eu-west-1", endpoint_url=values["AWS_ENDPOINT_URL"],
        aws_access_key_id=values["AWS_ACCESS_KEY_ID"], aws_secret_access_key="lab",
    )  # fmt: skip


def instances(ec2: Any, role: str) -> list[dict[str, Any]]:
    found = ec2.describe_instances(Filters=[{"Name": "tag:bitbucket-dc:role", "Values": [role]}])["Reservations"]
    return [instance for reservation in found for instance in reservation["Instances"]]


def secret(values: dict[str, str]) -> str:
    found = client(values, "secretsmanager").list_secrets()["SecretList"]
    (arn,) = [one["ARN"] for one in found if "database" in one["Name"]]
    return str(arn)


def on_machine(ssm: Any, instance: str, script: str) -> list[str]:
    sent = ssm.send_command(
        InstanceIds=[instance], DocumentName="AWS-RunShellScript", Parameters={"commands": script.splitlines()}
    )["Command"]["CommandId"]
    deadline = time.monotonic() + 20
    while True:
        found = ssm.get_command_invocation(CommandId=sent, InstanceId=instance)
        if found["Status"] not in {"Pending", "InProgress"}:
            assert found["Status"] == "Success", found["StandardErrorContent"]
            return str(found["StandardOutputContent"]).split()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def credentials(directory: Path) -> tuple[str, str]:
    lines = environment(directory)
    return lines["BITBUCKET_USER"], lines["BITBUCKET_PASSWORD"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "0"], "1 to 9 nodes"),
        (["--version", "7.9"], "not a Bitbucket version"),
        (["--cloud", "moon"], "no lab of the cloud"),
    ],
)
def test_impossible_worlds_are_refused_before_anything_starts(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in bbdc(tmp_path / "lab", "up", *arguments, code=3)
    assert not (tmp_path / "lab").exists()
