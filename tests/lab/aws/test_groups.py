"""What the auto-scaling API accepts, refuses and shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab.aws.plain import PlainMachines
from lab.aws.world import AwsWorld
from tests.lab.aws.estate import CLUSTER, ZONES, Estate

Wait = Callable[[float], None]


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def asg(world: AwsWorld) -> Any:
    return world.client("autoscaling")


def test_instances_are_pending_before_they_are_in_service(world: AwsWorld, wait: Wait) -> None:
    estate = Estate.build(world)
    assert {line["LifecycleState"] for line in estate.describe()["Instances"]} == {"Pending"}
    assert estate.health() == {}
    wait(2)
    assert {line["LifecycleState"] for line in estate.describe()["Instances"]} == {"InService"}
    assert set(estate.health()) == set(estate.members())


def test_members_are_spread_over_the_zones(estate: Estate) -> None:
    assert sorted(line["AvailabilityZone"] for line in estate.describe()["Instances"]) == list(ZONES)


def test_a_replacement_comes_from_the_current_template_and_into_the_same_zone(
    world: AwsWorld, estate: Estate, machines: PlainMachines, wait: Wait
) -> None:
    number = estate.set_version("7.9.4")
    victim = estate.describe()["Instances"][1]
    asg(world).terminate_instance_in_auto_scaling_group(
        InstanceId=victim["InstanceId"], ShouldDecrementDesiredCapacity=False
    )
    wait(10)
    lines = {line["InstanceId"]: line for line in estate.describe()["Instances"]}
    (new,) = [line for line in lines.values() if line["LaunchTemplate"]["Version"] == number]
    assert victim["InstanceId"] not in lines
    assert new["AvailabilityZone"] == victim["AvailabilityZone"]
    spec = machines.specs[new["InstanceId"]]
    assert spec.tags["bitbucket-dc:version"] == "7.9.4"
    assert spec.tags["aws:ec2launchtemplate:version"] == number
    assert "BITBUCKET_VERSION='7.9.4'" in spec.user_data
    others = [line for line in lines.values() if line is not new]
    assert {line["LaunchTemplate"]["Version"] for line in others} == {"1"}


def test_terminating_waits_for_the_deregistration_delay(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    victim = estate.members()[0]
    asg(world).terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=False)
    wait(3)
    assert victim in estate.members("Terminating")
    assert estate.health()[victim] == estate.health("ssh")[victim] == "draining"
    wait(3)
    assert victim not in estate.members()
    assert victim not in estate.health()


def test_terminate_twice_is_one_activity(world: AwsWorld, estate: Estate) -> None:
    victim = estate.members()[0]
    ids = {
        asg(world).terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=True)[
            "Activity"
        ]["ActivityId"]
        for _ in range(2)
        if asg(world).update_auto_scaling_group(AutoScalingGroupName=estate.group, MinSize=1)
    }
    assert len(ids) == 1
    assert estate.describe()["DesiredCapacity"] == 2


def test_decrement_below_the_minimum_is_refused(world: AwsWorld, estate: Estate) -> None:
    code, message = refused(
        lambda: asg(world).terminate_instance_in_auto_scaling_group(
            InstanceId=estate.members()[0], ShouldDecrementDesiredCapacity=True
        )
    )
    assert code == "ValidationError"
    assert "min size" in message
    assert estate.describe()["DesiredCapacity"] == 3


def test_an_unknown_instance_is_refused(world: AwsWorld, estate: Estate) -> None:
    code, message = refused(
        lambda: asg(world).terminate_instance_in_auto_scaling_group(
            InstanceId="i-0123456789abcdef0", ShouldDecrementDesiredCapacity=False
        )
    )
    assert (code, "No managed instance found" in message) == ("ValidationError", True)


@pytest.mark.parametrize(("wanted", "word"), [(9, "above max"), (0, "below min")])
def test_desired_capacity_keeps_within_its_limits(world: AwsWorld, estate: Estate, wanted: int, word: str) -> None:
    code, message = refused(
        lambda: asg(world).set_desired_capacity(AutoScalingGroupName=estate.group, DesiredCapacity=wanted)
    )
    assert (code, word in message) == ("ValidationError", True)


def test_raising_the_minimum_raises_the_desired_capacity(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    asg(world).update_auto_scaling_group(AutoScalingGroupName=estate.group, MinSize=4, MaxSize=5)
    wait(3)
    assert estate.describe()["DesiredCapacity"] == 4
    assert len(estate.members("InService")) == 4


def test_surge_and_back(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    asg(world).set_desired_capacity(AutoScalingGroupName=estate.group, DesiredCapacity=4)
    wait(3)
    surge = estate.members()[-1]
    asg(world).terminate_instance_in_auto_scaling_group(InstanceId=surge, ShouldDecrementDesiredCapacity=True)
    wait(8)
    assert len(estate.members("InService")) == 3
    assert surge not in estate.members()


def test_scale_in_leaves_protected_instances(world: AwsWorld, wait: Wait) -> None:
    estate = Estate.build(world, minimum=1)
    wait(3)
    kept = estate.members()[0]
    asg(world).set_instance_protection(AutoScalingGroupName=estate.group, InstanceIds=[kept], ProtectedFromScaleIn=True)
    asg(world).set_desired_capacity(AutoScalingGroupName=estate.group, DesiredCapacity=1)
    wait(8)
    assert estate.members() == [kept]


def test_a_group_in_use_is_deleted_only_by_force(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    code, _ = refused(lambda: asg(world).delete_auto_scaling_group(AutoScalingGroupName=estate.group))
    assert code == "ResourceInUse"
    asg(world).delete_auto_scaling_group(AutoScalingGroupName=estate.group, ForceDelete=True)
    assert estate.describe()["Status"] == "Delete in progress"
    wait(2)
    assert asg(world).describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_a_second_group_of_the_same_name_is_refused(world: AwsWorld, estate: Estate) -> None:
    code, _ = refused(
        lambda: asg(world).create_auto_scaling_group(
            AutoScalingGroupName=estate.group,
            MinSize=0,
            MaxSize=1,
            VPCZoneIdentifier=estate.subnets[0],
            LaunchTemplate={"LaunchTemplateId": estate.template},
        )
    )
    assert code == "AlreadyExists"


def test_groups_are_found_by_tag(world: AwsWorld, estate: Estate) -> None:
    filters = [{"Name": "tag:bitbucket-dc:cluster", "Values": [CLUSTER]}]
    (group,) = asg(world).describe_auto_scaling_groups(Filters=filters)["AutoScalingGroups"]
    assert group["AutoScalingGroupName"] == estate.group


def test_activities_tell_what_happened(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    victim = estate.members()[0]
    asg(world).terminate_instance_in_auto_scaling_group(InstanceId=victim, ShouldDecrementDesiredCapacity=False)
    lines = asg(world).describe_scaling_activities(AutoScalingGroupName=estate.group)["Activities"]
    assert [line["StatusCode"] for line in lines[:2]] == ["PreInService", "InProgress"]
    wait(8)
    lines = asg(world).describe_scaling_activities(AutoScalingGroupName=estate.group)["Activities"]
    assert {line["StatusCode"] for line in lines} == {"Successful"}
    assert f"Terminating EC2 instance: {victim}" in [line["Description"] for line in lines]


def test_standby_and_detach_leave_the_target_groups(world: AwsWorld, wait: Wait) -> None:
    estate = Estate.build(world, minimum=1)
    wait(3)
    resting, gone, _ = estate.members()
    asg(world).enter_standby(
        AutoScalingGroupName=estate.group, InstanceIds=[resting], ShouldDecrementDesiredCapacity=True
    )
    asg(world).detach_instances(
        AutoScalingGroupName=estate.group, InstanceIds=[gone], ShouldDecrementDesiredCapacity=True
    )
    assert estate.health()[resting] == estate.health()[gone] == "draining"
    assert estate.members("Standby") == [resting]
    assert gone not in estate.members()
    wait(6)
    asg(world).exit_standby(AutoScalingGroupName=estate.group, InstanceIds=[resting])
    wait(1)
    assert estate.members("InService").count(resting) == 1
    assert estate.describe()["DesiredCapacity"] == 2
    assert resting in estate.health()


def test_the_maintenance_policy_is_kept(world: AwsWorld, estate: Estate) -> None:
    policy = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150}
    asg(world).update_auto_scaling_group(AutoScalingGroupName=estate.group, InstanceMaintenancePolicy=policy)
    assert estate.describe()["InstanceMaintenancePolicy"] == policy


def test_target_groups_are_attached_and_detached(world: AwsWorld, estate: Estate, wait: Wait) -> None:
    arns = [estate.target_groups["ssh"]]
    asg(world).detach_load_balancer_target_groups(AutoScalingGroupName=estate.group, TargetGroupARNs=arns)
    assert set(estate.health("ssh").values()) == {"draining"}
    wait(6)
    asg(world).attach_load_balancer_target_groups(AutoScalingGroupName=estate.group, TargetGroupARNs=arns)
    assert set(estate.health("ssh")) == set(estate.members())
