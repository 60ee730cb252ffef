"""Launch templates, images, addresses and idempotency."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.aws.images import IMAGES
from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.world import AwsWorld
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import Estate, user_data
from tests.lab.aws.test_groups import refused

Wait = Callable[[float], None]


def test_a_version_inherits_from_its_source(world: AwsWorld, estate: Estate) -> None:
    ec2 = world.client("ec2")
    made = ec2.create_launch_template_version(
        LaunchTemplateId=estate.template, SourceVersion="1", LaunchTemplateData={"InstanceType": "m5.xlarge"}
    )["LaunchTemplateVersion"]
    data = made["LaunchTemplateData"]
    assert (made["VersionNumber"], data["InstanceType"], data["ImageId"]) == (2, "m5.xlarge", IMAGES["x86_64"])
    assert data["UserData"] == user_data("7.9.0")
    assert {tag["Key"] for tag in data["TagSpecifications"][0]["Tags"]} >= {"bitbucket-dc:version"}


def test_a_version_without_source_holds_what_was_sent(world: AwsWorld, estate: Estate) -> None:
    made = world.client("ec2").create_launch_template_version(
        LaunchTemplateId=estate.template, LaunchTemplateData={"InstanceType": "m5.xlarge"}
    )["LaunchTemplateVersion"]
    assert set(made["LaunchTemplateData"]) == {"InstanceType"}


@pytest.mark.parametrize("name", ["ab", "no spaces"])
def test_template_names_are_checked(world: AwsWorld, name: str) -> None:
    client = world.client("ec2")
    data = {"InstanceType": "m5.large"}
    code, _ = refused(lambda: client.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data))
    assert code == "InvalidLaunchTemplateName.MalformedException"


def test_the_public_parameter_leads_to_an_image_that_is_there(world: AwsWorld) -> None:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    image = world.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    (found,) = world.client("ec2").describe_images(ImageIds=[image])["Images"]
    assert (found["State"], found["RootDeviceName"], found["Architecture"]) == ("available", "/dev/xvda", "x86_64")


def test_the_same_token_launches_once(world: AwsWorld, estate: Estate) -> None:
    ec2 = world.client("ec2")
    ids = {
        ec2.run_instances(
            ImageId=IMAGES["x86_64"], MinCount=1, MaxCount=1, SubnetId=estate.subnets[0], ClientToken="one"
        )["Instances"][0]["InstanceId"]
        for _ in range(2)
    }
    volumes = {
        ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, ClientToken="one")["VolumeId"] for _ in range(2)
    }
    assert (len(ids), len(volumes)) == (1, 1)


def test_states_pass_and_the_machine_follows(
    world: AwsWorld, estate: Estate, machines: PlainMachines, wait: Wait
) -> None:
    ec2 = world.client("ec2")
    made = ec2.run_instances(
        ImageId=IMAGES["x86_64"],
        MinCount=1,
        MaxCount=1,
        SubnetId=estate.subnets[0],
        UserData="echo hello",
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "bitbucket-dc:role", "Value": "file-server"}]}
        ],
    )["Instances"][0]

    def state() -> str:
        found = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0]
        return str(found["State"]["Name"])

    assert made["State"]["Name"] == state() == "pending"
    wait(1)
    spec = machines.specs[made["InstanceId"]]
    assert (state(), spec.role, spec.user_data) == ("running", "file-server", "echo hello")
    ec2.stop_instances(InstanceIds=[spec.id])
    assert state() == "stopping"
    wait(1)
    assert (state(), machines.running(spec.id)) == ("stopped", False)
    assert refused(lambda: ec2.stop_instances(InstanceIds=[spec.id]))[0] == "IncorrectInstanceState"
    ec2.start_instances(InstanceIds=[spec.id])
    wait(1)
    assert (state(), machines.running(spec.id)) == ("running", True)
    ec2.terminate_instances(InstanceIds=[spec.id])
    assert state() == "shutting-down"
    wait(1)
    assert state() == "terminated"


@pytest.mark.parametrize("reuse", [False, True])
def test_addresses_come_again_only_where_asked(tmp_path: Path, clock: ManualClock, reuse: bool) -> None:  # noqa: FBT001
    machines = PlainMachines(tmp_path, clock)
    with AwsWorld(machines, clock=clock, probe=machines.probe, reuse_addresses=reuse) as world:
        estate = Estate.build(world, nodes=1, minimum=0, maximum=2)
        pass_time(world, clock, 6)
        (old,) = estate.members()
        client = world.client("autoscaling")
        client.suspend_processes(AutoScalingGroupName=estate.group, ScalingProcesses=["Launch"])
        client.terminate_instance_in_auto_scaling_group(InstanceId=old, ShouldDecrementDesiredCapacity=False)
        pass_time(world, clock, 8)
        client.resume_processes(AutoScalingGroupName=estate.group, ScalingProcesses=["Launch"])
        pass_time(world, clock, 2)
        (new,) = estate.members()
        assert (machines.specs[new].address == machines.specs[old].address) is reuse


def test_user_data_reaches_the_machine_decoded(world: AwsWorld, estate: Estate, machines: PlainMachines) -> None:
    spec = machines.specs[estate.members()[0]]
    assert spec.user_data == base64.b64decode(user_data("7.9.0")).decode()
