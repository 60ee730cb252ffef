"""What else takes machines away, and that suspending it helps; and things that take time."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock, Timings
from lab.aws.world import AwsWorld
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import Estate
from tests.lab.aws.test_groups import asg
from tests.lab.aws.test_scaling import suspend

Wait = Callable[[float], None]


@pytest.mark.parametrize("suspended", [False, True])
def test_a_scheduled_action_scales(world: AwsWorld, clock: ManualClock, wait: Wait, suspended: bool) -> None:  # noqa: FBT001
    estate = Estate.build(world, minimum=1)
    wait(3)
    if suspended:
        suspend(world, estate, "ScheduledActions")
    asg(world).put_scheduled_update_group_action(
        AutoScalingGroupName=estate.group,
        ScheduledActionName="night",
        StartTime=dt.datetime.fromtimestamp(clock.now() + 5, dt.UTC),
        DesiredCapacity=1,
    )
    wait(3)
    assert estate.describe()["DesiredCapacity"] == 3
    wait(3)
    assert estate.describe()["DesiredCapacity"] == (3 if suspended else 1)


@pytest.mark.parametrize("suspended", [False, True])
def test_an_alarm_carries_out_its_policy(world: AwsWorld, wait: Wait, suspended: bool) -> None:  # noqa: FBT001
    estate = Estate.build(world, minimum=1)
    wait(3)
    policy = asg(world).put_scaling_policy(
        AutoScalingGroupName=estate.group,
        PolicyName="quiet",
        PolicyType="SimpleScaling",
        AdjustmentType="ChangeInCapacity",
        ScalingAdjustment=-1,
    )["PolicyARN"]
    if suspended:
        suspend(world, estate, "AlarmNotification")
    cloudwatch = world.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="quiet", Namespace="AWS/EC2", MetricName="CPUUtilization", Statistic="Average", Period=60,
        EvaluationPeriods=30, Threshold=40, ComparisonOperator="LessThanThreshold", AlarmActions=[policy],
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="quiet", StateValue="ALARM", StateReason="30 quiet minutes")
    wait(1)
    assert estate.describe()["DesiredCapacity"] == (3 if suspended else 2)


@pytest.mark.parametrize("suspended", [False, True])
def test_zones_are_evened_out(world: AwsWorld, wait: Wait, suspended: bool) -> None:  # noqa: FBT001
    estate = Estate.build(world, minimum=1)
    wait(3)
    client = asg(world)
    first = ",".join(estate.subnets[:1])
    client.update_auto_scaling_group(AutoScalingGroupName=estate.group, VPCZoneIdentifier=first)
    for instance in estate.members()[1:]:
        client.terminate_instance_in_auto_scaling_group(InstanceId=instance, ShouldDecrementDesiredCapacity=False)
    wait(8)
    if suspended:
        suspend(world, estate, "AZRebalance")
    client.update_auto_scaling_group(AutoScalingGroupName=estate.group, VPCZoneIdentifier=",".join(estate.subnets))
    wait(30)
    zones = Counter(line["AvailabilityZone"] for line in estate.describe()["Instances"])
    assert sorted(zones.values()) == ([3] if suspended else [1, 1, 1])


@pytest.fixture
def slow(tmp_path: Path, clock: ManualClock) -> Iterator[AwsWorld]:
    machines = PlainMachines(tmp_path, clock)
    with AwsWorld(machines, clock=clock, timings=Timings(snapshot=10, database=20)) as world:
        yield world


def test_a_snapshot_takes_its_time(slow: AwsWorld, clock: ManualClock) -> None:
    ec2 = slow.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]

    def seen() -> tuple[str, str]:
        found = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        return found["State"], found["Progress"]

    assert seen() == ("pending", "0%")
    pass_time(slow, clock, 5)
    assert seen() == ("pending", "50%")
    pass_time(slow, clock, 5)
    assert seen() == ("completed", "100%")


def test_a_database_takes_its_time(slow: AwsWorld, clock: ManualClock) -> None:
    rds = slow.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="bb", Engine="postgres", DBInstanceClass="db.m6g.large", AllocatedStorage=20,
        MasterUsername="bitbucket", MasterUserPassword="password1",
    )  # fmt: skip

    def status() -> str:
        return str(rds.describe_db_instances(DBInstanceIdentifier="bb")["DBInstances"][0]["DBInstanceStatus"])

    assert status() == "creating"
    pass_time(slow, clock, 21)
    assert status() == "available"
