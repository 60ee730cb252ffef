"""A cloud on loopback and the provider in front of it, driven over the real protocol."""

import os

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # read once, when moto is imported
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # policies such as AmazonSSMManagedInstanceCore

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.rds.models import RDSBackend
from moto.server import ThreadedMotoServer

from lab.aws import backup_plans
from lab.aws.patches import Patches
from lab.pulumi.aws.server import Server, serve
from tests.lab.pulumi_aws.harness import REGION, Engine, World


def _modify_subnets(backend: RDSBackend, subnet_name: str, description: str, subnets: list[Any]) -> Any:
    group = backend.describe_db_subnet_groups(subnet_name)[0]
    group.subnets, group.description = subnets, description or group.description
    return group


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    # The emulator's own forgets the group that it modifies.
    RDSBackend.modify_db_subnet_group = _modify_subnets
    backup_plans.repair(Patches())  # for the life of the process
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def server(endpoint: str) -> Iterator[Server]:
    running = serve(endpoint=endpoint, region=REGION, access_key="lab", secret_key="lab")
    yield running
    running.stop()


@pytest.fixture
def engine(server: Server) -> Iterator[Engine]:
    connected = Engine(server.port)
    yield connected
    connected.channel.close()


@pytest.fixture(scope="session")
def client(endpoint: str) -> Callable[[str], Any]:
    """Ask the cloud itself, not through the provider."""
    session = boto3.Session("lab", "lab", region_name=REGION)
    made: dict[str, Any] = {}
    return lambda service: made.setdefault(service, session.client(service, endpoint_url=endpoint))


@pytest.fixture(scope="session")
def world(client: Callable[[str], Any]) -> World:
    ec2, iam = client("ec2"), client("iam")
    vpc = ec2.create_vpc(CidrBlock="127.90.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"127.90.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for n, zone in enumerate("ab")
    ]
    image = ec2.register_image(
        Name="lab",
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
    )["ImageId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    data = {"ImageId": image, "InstanceType": "t3.micro"}
    template = ec2.create_launch_template(LaunchTemplateName="world", LaunchTemplateData=data)["LaunchTemplate"]
    iam.create_role(RoleName="world", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="world")
    return World(
        vpc=vpc,
        subnets=(subnets[0]["SubnetId"], subnets[1]["SubnetId"]),
        group=ec2.create_security_group(GroupName="world", Description="world", VpcId=vpc)["GroupId"],
        image=image,
        table=ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"],
        gateway=gateway,
        allocation=ec2.allocate_address(Domain="vpc")["AllocationId"],
        template=template["LaunchTemplateId"],
        profile="world",
        role="world",
    )
