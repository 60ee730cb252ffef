"""The life of one resource of every type: nothing differs after it was made, read or changed."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from lab.pulumi.aws.registry import RESOURCES
from lab.pulumi.aws.values import UNKNOWN
from tests.lab.pulumi_aws.harness import Engine, Live, Properties, World

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"Service":"ec2.amazonaws.com"}}]}'
)
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:DescribeTags"],"Resource":"*"}]}'
OTHER_POLICY = POLICY.replace("DescribeTags", "DescribeVolumes")
TAGS = {"bitbucket-dc:cluster": "main", "Name": "one"}
_NUMBERS = itertools.count()
OTHER_TAGS = {"bitbucket-dc:cluster": "main", "team": "b"}


@dataclass(frozen=True)
class Case:
    """How a type is tried.

    `changed` is laid over `inputs` for the update; what it maps to None is taken out. `id` is how ids begin,
    `outputs` are values that only the cloud knows.
    """

    inputs: Callable[[World, Any], Properties]
    changed: Callable[[World, Any], Properties] = lambda _w, _c: {}
    id: str = ""
    outputs: tuple[str, ...] = field(default=("arn",))


def _unique(name: str) -> str:
    return f"{name}-{next(_NUMBERS)}"


def _balancer(world: World, client: Any, name: str) -> str:
    made = client("elbv2").create_load_balancer(Name=_unique(name), Subnets=list(world.subnets))
    return str(made["LoadBalancers"][0]["LoadBalancerArn"])


def _target_group(world: World, client: Any, name: str) -> str:
    made = client("elbv2").create_target_group(Name=_unique(name), Protocol="HTTP", Port=7990, VpcId=world.vpc)
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def _listener(world: World, client: Any) -> Properties:
    return {
        "loadBalancerArn": _balancer(world, client, "for-listener"),
        "port": 80,
        "protocol": "HTTP",
        "defaultActions": [{"type": "forward", "targetGroupArn": _target_group(world, client, "for-listener")}],
        "tags": TAGS,
    }


def _template(world: World, _: Any) -> Properties:
    return {
        "description": "7.9.0",
        "imageId": world.image,
        "instanceType": "m5.large",
        "userData": "IyEvYmluL3NoCg==",
        "ebsOptimized": "true",
        "iamInstanceProfile": {"name": world.profile},
        "vpcSecurityGroupIds": [world.group],
        "blockDeviceMappings": [
            {"deviceName": "/dev/xvda", "ebs": {"volumeSize": 20, "volumeType": "gp3", "encrypted": "true"}}
        ],
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
        "monitoring": {"enabled": True},
        "tagSpecifications": [{"resourceType": "instance", "tags": {"bitbucket-dc:version": "7.9.0"}}],
        "updateDefaultVersion": True,
        "tags": TAGS,
    }


def _group(world: World, client: Any) -> Properties:
    return {
        "minSize": 1,
        "maxSize": 3,
        "desiredCapacity": 2,
        "launchTemplate": {"id": world.template, "version": "$Latest"},
        "vpcZoneIdentifiers": list(world.subnets),
        "targetGroupArns": [_target_group(world, client, "for-group")],
        "healthCheckType": "ELB",
        "healthCheckGracePeriod": 60,
        "defaultCooldown": 10,
        "terminationPolicies": ["OldestInstance"],
        "suspendedProcesses": ["AZRebalance", "ReplaceUnhealthy"],
        "maxInstanceLifetime": 0,
        "protectFromScaleIn": False,
        "enabledMetrics": ["GroupInServiceInstances"],
        "waitForCapacityTimeout": "10s",
        "tags": [{"key": "bitbucket-dc:cluster", "value": "main", "propagateAtLaunch": False}],
    }


CASES: dict[str, Case] = {
    "aws:ec2/vpc:Vpc": Case(
        lambda _w, _c: {"cidrBlock": "127.91.0.0/16", "enableDnsHostnames": True, "tags": TAGS},
        lambda _w, _c: {"enableDnsHostnames": False, "tags": OTHER_TAGS},
        "vpc-",
        ("arn", "defaultSecurityGroupId", "mainRouteTableId", "ownerId"),
    ),
    "aws:ec2/subnet:Subnet": Case(
        lambda w, _c: {
            "vpcId": w.vpc,
            "cidrBlock": "127.90.77.0/24",
            "availabilityZone": "eu-west-1c",
            "tags": TAGS,
        },
        lambda _w, _c: {"mapPublicIpOnLaunch": True, "tags": OTHER_TAGS},
        "subnet-",
    ),
    "aws:ec2/internetGateway:InternetGateway": Case(
        lambda _w, _c: {"tags": TAGS}, lambda _w, _c: {"tags": OTHER_TAGS}, "igw-"
    ),
    "aws:ec2/eip:Eip": Case(
        lambda _w, _c: {"domain": "vpc", "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "eipalloc-",
        ("allocationId", "publicIp"),
    ),
    "aws:ec2/natGateway:NatGateway": Case(
        lambda w, _c: {"subnetId": w.subnets[0], "allocationId": w.allocation, "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "nat-",
        ("publicIp", "networkInterfaceId"),
    ),
    "aws:ec2/routeTable:RouteTable": Case(
        lambda w, _c: {
            "vpcId": w.vpc,
            "routes": [
                {"cidrBlock": "0.0.0.0/0", "gatewayId": w.gateway},
                {"cidrBlock": "10.9.0.0/16", "gatewayId": w.gateway, "natGatewayId": ""},
            ],
            "tags": TAGS,
        },
        lambda w, _c: {"routes": [{"cidrBlock": "10.8.0.0/16", "gatewayId": w.gateway}], "tags": OTHER_TAGS},
        "rtb-",
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Case(
        lambda w, _c: {"subnetId": w.subnets[0], "routeTableId": w.table},
        lambda w, c: {"routeTableId": c("ec2").create_route_table(VpcId=w.vpc)["RouteTable"]["RouteTableId"]},
        "rtbassoc-",
        (),
    ),
    "aws:ec2/securityGroup:SecurityGroup": Case(
        lambda w, _c: {"vpcId": w.vpc, "description": "nodes", "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "sg-",
        ("arn", "name", "ownerId"),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Case(
        lambda w, _c: {
            "securityGroupId": w.group,
            "ipProtocol": "tcp",
            "fromPort": 7990,
            "toPort": 7990,
            "cidrIpv4": "10.0.0.0/8",
            "tags": TAGS,
        },
        lambda _w, _c: {"toPort": 7999, "description": "wider", "tags": OTHER_TAGS},
        "sgr-",
        ("arn", "securityGroupRuleId"),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Case(
        lambda w, _c: {
            "securityGroupId": w.group,
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "referencedSecurityGroupId": w.group,
        },
        lambda _w, _c: {"toPort": 444},
        "sgr-",
        ("arn", "securityGroupRuleId"),
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Case(
        _template,
        lambda _w, _c: {
            "tagSpecifications": [{"resourceType": "instance", "tags": {"bitbucket-dc:version": "7.9.4"}}],
            "userData": "IyEvYmluL2Jhc2gK",
            "tags": OTHER_TAGS,
        },
        "lt-",
        ("arn", "latestVersion", "defaultVersion", "name"),
    ),
    "aws:autoscaling/group:Group": Case(
        _group,
        lambda w, c: {
            "desiredCapacity": 3,
            "vpcZoneIdentifiers": [w.subnets[1]],
            "healthCheckGracePeriod": 90,
            "suspendedProcesses": ["AZRebalance", "AlarmNotification"],
            "targetGroupArns": [_target_group(w, c, "other-group")],
            "tags": [{"key": "team", "value": "b", "propagateAtLaunch": True}],
        },
        "it-",
    ),
    "aws:lb/loadBalancer:LoadBalancer": Case(
        lambda w, _c: {
            "subnets": list(w.subnets),
            "securityGroups": [w.group],
            "internal": True,
            "idleTimeout": 300,
            "dropInvalidHeaderFields": True,
            "enableDeletionProtection": False,
            "accessLogs": {"bucket": "logs", "enabled": True, "prefix": "alb"},
            "tags": TAGS,
        },
        lambda _w, _c: {"idleTimeout": 120, "securityGroups": [], "tags": OTHER_TAGS},
        "arn:aws:elasticloadbalancing:eu-west-1:",
        ("arn", "dnsName", "arnSuffix", "vpcId", "zoneId"),
    ),
    "aws:lb/targetGroup:TargetGroup": Case(
        lambda w, _c: {
            "port": 7990,
            "protocol": "HTTP",
            "vpcId": w.vpc,
            "targetType": "instance",
            "deregistrationDelay": 60,
            "healthCheck": {
                "path": "/status",
                "matcher": "200",
                "interval": 5,
                "timeout": 2,
                "healthyThreshold": 2,
                "unhealthyThreshold": 2,
                "protocol": "HTTP",
            },
            "stickiness": {"type": "lb_cookie", "cookieDuration": 3600, "enabled": True},
            "tags": TAGS,
        },
        lambda _w, _c: {
            "deregistrationDelay": 4,
            "healthCheck": {"path": "/status", "interval": 10, "timeout": 3},
            "tags": OTHER_TAGS,
        },
        "arn:aws:elasticloadbalancing:eu-west-1:",
        ("arn", "arnSuffix"),
    ),
    "aws:lb/listener:Listener": Case(
        _listener,
        lambda _w, _c: {
            "port": 8080,
            "defaultActions": [
                {"type": "redirect", "redirect": {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}}
            ],
            "tags": OTHER_TAGS,
        },
        "arn:aws:elasticloadbalancing:eu-west-1:",
    ),
    "aws:iam/role:Role": Case(
        lambda _w, _c: {"assumeRolePolicy": TRUST, "description": "node", "tags": TAGS},
        lambda _w, _c: {"assumeRolePolicy": TRUST.replace("ec2.", "rds."), "description": None, "tags": OTHER_TAGS},
        "it-",
        ("arn", "uniqueId", "name"),
    ),
    "aws:iam/rolePolicy:RolePolicy": Case(
        lambda w, _c: {"role": w.role, "policy": POLICY},
        lambda _w, _c: {"policy": OTHER_POLICY},
        "world:it-",
        ("name",),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Case(
        lambda w, _c: {"role": w.role, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        id="world/arn:aws:iam::aws:policy/ReadOnlyAccess",
        outputs=(),
    ),
    "aws:iam/instanceProfile:InstanceProfile": Case(
        lambda w, _c: {"role": w.role, "tags": TAGS},
        lambda _w, _c: {"tags": OTHER_TAGS},
        "it-",
        ("arn", "uniqueId", "name"),
    ),
}


def test_there_is_a_case_for_every_type() -> None:
    assert CASES.keys() == RESOURCES.keys()


def _nothing(found: Any) -> bool:
    assert not found.diffs, dict(found.detailedDiff)
    return bool(found.changes == provider_pb2.DiffResponse.DIFF_NONE)


@pytest.mark.parametrize("kind", CASES)
def test_life_of_a_resource(kind: str, engine: Engine, world: World, client: Callable[[str], Any]) -> None:
    case = CASES[kind]
    inputs = case.inputs(world, client)

    live = engine.create(kind, inputs)
    assert live.id.startswith(case.id)
    assert all(live.state.get(name) not in (None, "") for name in case.outputs), live.state
    assert _nothing(engine.diff(kind, live, inputs))

    read = engine.read(kind, live)
    assert read is not None
    assert read.state == live.state
    assert read.inputs == live.inputs
    assert _nothing(engine.diff(kind, read, inputs))

    overlay = case.changed(world, client)
    if overlay:
        news = {k: v for k, v in {**inputs, **overlay}.items() if v is not None}
        found = engine.diff(kind, read, news)
        assert set(overlay) == set(found.diffs)
        assert not found.replaces
        live = engine.update(kind, read, news)
        assert _nothing(engine.diff(kind, live, news))
        read = engine.read(kind, live)
        assert read is not None
        assert read.inputs == live.inputs
        assert _nothing(engine.diff(kind, read, news))

    engine.delete(kind, live)
    assert engine.read(kind, live) is None
    engine.delete(kind, live)  # what is gone stays gone


@pytest.mark.parametrize("kind", CASES)
def test_preview_calls_nothing_and_knows_no_computed_output(
    kind: str, engine: Engine, world: World, client: Callable[[str], Any]
) -> None:
    case = CASES[kind]
    previewed = engine.create(kind, case.inputs(world, client), preview=True)
    assert previewed.id == ""
    assert all(previewed.state[name] == UNKNOWN or name == "name" for name in case.outputs)


@pytest.mark.parametrize("kind", RESOURCES)
def test_reading_what_never_was(kind: str, engine: Engine, world: World, client: Callable[[str], Any]) -> None:
    """`pulumi import` of a wrong id and `refresh` of a vanished resource must not look like an error of the lab."""
    ghost = {"aws:iam/rolePolicy:RolePolicy": "no:ne", "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "no/ne"}
    identifier = ghost.get(kind, _ghost(CASES[kind].id))
    try:
        assert engine.read(kind, Live(identifier, {}, {})) is None
    except grpc.RpcError as error:
        pytest.fail(str(error))


def _ghost(prefix: str) -> str:
    if prefix.startswith("arn:aws:elasticloadbalancing"):
        return f"{prefix}123456789012:loadbalancer/app/none/0123456789abcdef"
    return f"{prefix}0123456789abcdef0"
