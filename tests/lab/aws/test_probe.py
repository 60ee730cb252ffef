"""A contract: what this project's programs ask of AWS works against the lab, action by action.

Where moto is changed for another version, this is what has to pass.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws.archives import BUCKET, publish
from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.world import AwsWorld
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import Estate


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AwsWorld, Estate]]:
    clock = ManualClock()
    machines = PlainMachines(tmp_path_factory.mktemp("machines"), clock)
    with AwsWorld(machines, clock=clock, probe=machines.probe) as world:
        estate = Estate.build(world)
        pass_time(world, clock, 8)
        yield world, estate


READS: list[tuple[str, str, dict[str, Any]]] = [
    ("sts", "get_caller_identity", {}),
    ("ec2", "describe_availability_zones", {}),
    ("ec2", "describe_regions", {}),
    ("ec2", "describe_instances", {}),
    ("ec2", "describe_instance_status", {}),
    ("ec2", "describe_subnets", {}),
    ("ec2", "describe_security_group_rules", {}),
    ("ec2", "describe_volumes", {}),
    ("ec2", "describe_snapshots", {"OwnerIds": ["self"]}),
    ("ec2", "describe_launch_template_versions", {"Versions": ["$Latest"]}),
    ("autoscaling", "describe_auto_scaling_groups", {}),
    ("autoscaling", "describe_auto_scaling_instances", {}),
    ("autoscaling", "describe_scaling_activities", {}),
    ("autoscaling", "describe_policies", {}),
    ("autoscaling", "describe_scheduled_actions", {}),
    ("autoscaling", "describe_tags", {}),
    ("elbv2", "describe_load_balancers", {}),
    ("elbv2", "describe_target_groups", {}),
    ("ssm", "list_commands", {}),
    ("ssm", "describe_instance_information", {}),
    ("cloudwatch", "describe_alarms", {}),
    ("rds", "describe_db_instances", {}),
    ("rds", "describe_db_snapshots", {}),
    ("secretsmanager", "list_secrets", {}),
    ("kms", "list_aliases", {}),
    ("iam", "list_roles", {}),
    ("sns", "list_topics", {}),
    ("logs", "describe_log_groups", {}),
    ("s3", "list_buckets", {}),
]


@pytest.mark.parametrize(("service", "action", "arguments"), READS, ids=lambda value: str(value)[:40])
def test_reading(probed: tuple[AwsWorld, Estate], service: str, action: str, arguments: dict[str, Any]) -> None:
    answer = getattr(probed[0].client(service), action)(**arguments)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_availability_zones_are_those_of_the_region(probed: tuple[AwsWorld, Estate]) -> None:
    zones = probed[0].client("ec2").describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones][:3] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


def test_a_target_group_in_use_is_not_deleted(probed: tuple[AwsWorld, Estate]) -> None:
    world, estate = probed
    with pytest.raises(ClientError) as caught:
        world.client("elbv2").delete_target_group(TargetGroupArn=estate.target_groups["http"])
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_volumes_and_snapshots(probed: tuple[AwsWorld, Estate]) -> None:
    world, estate = probed
    ec2 = world.client("ec2")
    instance = estate.members()[0]
    zone = estate.describe()["Instances"][0]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=10, Encrypted=True, VolumeType="gp3")["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    with pytest.raises(ClientError) as caught:
        ec2.delete_volume(VolumeId=volume)
    assert caught.value.response["Error"]["Code"] == "VolumeInUse"
    made = ec2.create_snapshots(InstanceSpecification={"InstanceId": instance, "ExcludeBootVolume": True})
    assert [one["VolumeId"] for one in made["Snapshots"]] == [volume]
    found = ec2.describe_snapshots(SnapshotIds=[made["Snapshots"][0]["SnapshotId"]])["Snapshots"][0]
    assert (found["State"], found["Encrypted"]) == ("pending", True)


def test_a_database_is_made_snapshotted_and_restored(probed: tuple[AwsWorld, Estate]) -> None:
    rds = probed[0].client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="bb", Engine="postgres", EngineVersion="14.9", DBInstanceClass="db.m6g.large",
        AllocatedStorage=20, MasterUsername="bitbucket", MasterUserPassword="password1", MultiAZ=True,
    )  # fmt: skip
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="bb", WaiterConfig={"Delay": 1})
    rds.create_db_snapshot(DBSnapshotIdentifier="s1", DBInstanceIdentifier="bb")
    restored = rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="bb-2", DBSnapshotIdentifier="s1")
    assert restored["DBInstance"]["Engine"] == "postgres"
    with pytest.raises(ClientError) as caught:
        rds.create_db_snapshot(DBSnapshotIdentifier="s1", DBInstanceIdentifier="bb")
    assert caught.value.response["Error"]["Code"] == "DBSnapshotAlreadyExists"


def test_a_machines_role_may_use_systems_manager(probed: tuple[AwsWorld, Estate]) -> None:
    iam = probed[0].client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(trust))
    arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    iam.attach_role_policy(RoleName="node", PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName="node")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [arn]


def test_an_archive_in_s3_is_found(probed: tuple[AwsWorld, Estate]) -> None:
    world, _ = probed
    publish(world)
    world.client("s3").head_object(Bucket=BUCKET, Key="atlassian-bitbucket-7.9.4.tar.gz")
    with pytest.raises(ClientError) as caught:
        world.client("s3").head_object(Bucket=BUCKET, Key="atlassian-bitbucket-7.9.99.tar.gz")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_describing_is_quick(probed: tuple[AwsWorld, Estate]) -> None:
    """moto's own images would make this half a second a call."""
    client = probed[0].client("ec2")
    began = time.perf_counter()
    for _ in range(10):
        client.describe_snapshots(OwnerIds=["self"])
    assert (time.perf_counter() - began) / 10 < 0.25
