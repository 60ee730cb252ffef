"""A Bitbucket estate built with plain boto3, for tests that have no Pulumi program at hand.

Everything carries the tags that the automation looks for: the group, the machines and the target groups
``bitbucket-dc:cluster``; machines also ``bitbucket-dc:role`` and ``bitbucket-dc:version``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from lab.aws.images import IMAGES
from lab.aws.world import AwsWorld

CLUSTER = "bitbucket-dc-lab"
ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")


def user_data(version: str) -> str:
    """Return the user data of a machine of this version, base64."""
    script = f"#!/bin/bash\nset -euo pipefail\nBITBUCKET_VERSION='{version}'\n# the rest of the installation\n"
    return base64.b64encode(script.encode()).decode()


def template_data(version: str, *, cluster: str = CLUSTER, groups: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the launch template data of a node of this version."""
    tags = {
        "Name": f"{cluster}-node",
        "bitbucket-dc:cluster": cluster,
        "bitbucket-dc:role": "node",
        "bitbucket-dc:version": version,
    }
    return {
        "ImageId": IMAGES["x86_64"],
        "InstanceType": "m5.large",
        "UserData": user_data(version),
        "MetadataOptions": {"HttpTokens": "required"},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "Encrypted": True}}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": pairs(tags)}],
        **({"SecurityGroupIds": list(groups)} if groups else {}),
    }


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as the API wants them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@dataclass(slots=True)
class Estate:
    """The parts of an estate by name; ``build`` makes them.

    Attributes:
        world: where it stands.
        cluster: value of the cluster tag.
        target_groups: short name (http, ssh) -> ARN.
    """

    world: AwsWorld
    cluster: str = CLUSTER
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)
    security_group: str = ""
    template: str = ""
    group: str = ""
    target_groups: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        world: AwsWorld,
        *,
        nodes: int = 3,
        version: str = "7.9.0",
        octet: int = 250,
        cluster: str = CLUSTER,
        delay: int = 4,
        maximum: int | None = None,
        minimum: int | None = None,
    ) -> Estate:
        """Build network, balancers, template and group of ``nodes`` machines in 127.<octet>.0.0/16."""
        estate = cls(world, cluster)
        estate._network(octet)
        estate._balancers(delay)
        estate._nodes(nodes, version, minimum if minimum is not None else nodes, maximum or nodes + 1)
        return estate

    def _network(self, octet: int) -> None:
        ec2 = self.world.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock=f"127.{octet}.0.0/16")["Vpc"]["VpcId"]
        for number, zone in enumerate(ZONES):
            subnet = ec2.create_subnet(
                VpcId=self.vpc, CidrBlock=f"127.{octet}.{number * 16}.0/20", AvailabilityZone=zone
            )
            self.subnets.append(subnet["Subnet"]["SubnetId"])
        self.security_group = ec2.create_security_group(
            GroupName=f"{self.cluster}-nodes", Description="Bitbucket nodes", VpcId=self.vpc
        )["GroupId"]

    def _balancers(self, delay: int) -> None:
        self._balancer("http", kind="application", protocol="HTTP", port=7990, listen=80, delay=delay)
        self._balancer("ssh", kind="network", protocol="TCP", port=7999, listen=7999, delay=delay)

    def _balancer(self, name: str, *, kind: str, protocol: str, port: int, listen: int, delay: int) -> None:
        elb = self.world.client("elbv2")
        tags = pairs({"bitbucket-dc:cluster": self.cluster, "bitbucket-dc:target-group": name})
        group = elb.create_target_group(
            Name=f"{self.cluster}-{name}", Protocol=protocol, Port=port, VpcId=self.vpc, TargetType="instance",
            HealthCheckProtocol="HTTP", HealthCheckPort="7990", HealthCheckPath="/status", Matcher={"HttpCode": "200"},
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=4, HealthyThresholdCount=2,
            UnhealthyThresholdCount=2, Tags=tags,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        self.target_groups[name] = group
        attributes = {"deregistration_delay.timeout_seconds": str(delay)}
        if kind == "application":
            attributes |= {
                "stickiness.enabled": "true",
                "stickiness.type": "app_cookie",
                "stickiness.app_cookie.cookie_name": "BITBUCKETSESSIONID",
                "stickiness.app_cookie.duration_seconds": "86400",
            }
        elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=pairs(attributes))
        balancer = elb.create_load_balancer(
            Name=f"{self.cluster}-{kind[:3]}", Type=kind, Subnets=self.subnets, Tags=tags
        )["LoadBalancers"][0]["LoadBalancerArn"]
        elb.create_listener(
            LoadBalancerArn=balancer,
            Protocol=protocol,
            Port=listen,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )

    def _nodes(self, count: int, version: str, minimum: int, maximum: int) -> None:
        data = template_data(version, cluster=self.cluster, groups=(self.security_group,))
        answer = self.world.client("ec2").create_launch_template(
            LaunchTemplateName=f"{self.cluster}-node", LaunchTemplateData=data
        )
        self.template = answer["LaunchTemplate"]["LaunchTemplateId"]
        self.group = f"{self.cluster}-nodes"
        tag = {"Key": "bitbucket-dc:cluster", "Value": self.cluster, "PropagateAtLaunch": False}
        self.world.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=self.group,
            MinSize=minimum,
            MaxSize=maximum,
            DesiredCapacity=count,
            VPCZoneIdentifier=",".join(self.subnets),
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "1"},
            TargetGroupARNs=list(self.target_groups.values()),
            HealthCheckGracePeriod=10,
            Tags=[tag],
        )

    # --- use ----------------------------------------------------------------------------------------------------

    def set_version(self, version: str) -> str:
        """Make a new template version that carries ``version`` and point the group at it; return its number."""
        data = template_data(version, cluster=self.cluster, groups=(self.security_group,))
        made = self.world.client("ec2").create_launch_template_version(
            LaunchTemplateId=self.template, LaunchTemplateData=data
        )
        number = str(made["LaunchTemplateVersion"]["VersionNumber"])
        self.world.client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=self.group,
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": number},
        )
        return number

    def describe(self) -> dict[str, Any]:
        """Return the group as the API shows it."""
        groups: list[dict[str, Any]] = self.world.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[self.group]
        )["AutoScalingGroups"]
        return groups[0]

    def members(self, *states: str) -> list[str]:
        """Return the ids of the group's instances, all or those in the lifecycle states given."""
        lines = self.describe()["Instances"]
        return [line["InstanceId"] for line in lines if not states or line["LifecycleState"] in states]

    def health(self, name: str = "http") -> dict[str, str]:
        """Return instance id -> target state."""
        lines = self.world.client("elbv2").describe_target_health(TargetGroupArn=self.target_groups[name])
        return {line["Target"]["Id"]: line["TargetHealth"]["State"] for line in lines["TargetHealthDescriptions"]}
