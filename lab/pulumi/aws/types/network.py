"""The network: Vpc, Subnet, InternetGateway, Eip, NatGateway."""

from __future__ import annotations

from typing import Any

from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import EC2, tag_map, tag_specification
from lab.pulumi.aws.values import Properties

_VPC = {"cidrBlock": "CidrBlock", "instanceTenancy": "InstanceTenancy"}
_VPC_ATTRIBUTES = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}


def _create_vpc(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("vpc", inputs.get("tags"))
    return str(aws.call("ec2", "CreateVpc", **picked(inputs, _VPC), TagSpecifications=tags)["Vpc"]["VpcId"])


def _set_vpc_attributes(aws: Aws, vpc: str, inputs: Properties) -> None:
    """Set the DNS attributes; the service takes one at a time."""
    for name, parameter in _VPC_ATTRIBUTES.items():
        if inputs.get(name) is not None:
            aws.call("ec2", "ModifyVpcAttribute", VpcId=vpc, **{parameter: {"Value": inputs[name]}})


def _read_vpc(aws: Aws, vpc: str, _: Properties) -> Properties | None:
    found = aws.call("ec2", "DescribeVpcs", VpcIds=[vpc])["Vpcs"][0]
    return {
        **seen(found, _VPC),
        **{name: _vpc_attribute(aws, vpc, name, parameter) for name, parameter in _VPC_ATTRIBUTES.items()},
        "arn": aws.arn("ec2", f"vpc/{vpc}"),
        "ownerId": found.get("OwnerId"),
        "dhcpOptionsId": found.get("DhcpOptionsId"),
        "defaultSecurityGroupId": _of_vpc(aws, "SecurityGroup", vpc, "group-name", "default"),
        "defaultNetworkAclId": _of_vpc(aws, "NetworkAcl", vpc, "default", "true"),
        "defaultRouteTableId": (main := _of_vpc(aws, "RouteTable", vpc, "association.main", "true")),
        "mainRouteTableId": main,
        "tags": tag_map(found.get("Tags")),
    }


def _vpc_attribute(aws: Aws, vpc: str, name: str, parameter: str) -> bool:
    answer = aws.call("ec2", "DescribeVpcAttribute", VpcId=vpc, Attribute=name)
    return bool(answer[parameter]["Value"])


def _of_vpc(aws: Aws, kind: str, vpc: str, filter_name: str, filter_value: str) -> str | None:
    """Return the id of the one thing of a kind that the cloud made with the network."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": filter_name, "Values": [filter_value]}]
    found = aws.call("ec2", f"Describe{kind}s", Filters=filters)[f"{kind}s"]
    key = "GroupId" if kind == "SecurityGroup" else f"{kind}Id"
    return found[0][key] if found else None


VPC = ResourceType(
    type="aws:ec2/vpc:Vpc",
    create=_create_vpc,
    finish=lambda t: _set_vpc_attributes(t.aws, t.id, t.news),
    read=_read_vpc,
    updates=[Update.of(lambda t: _set_vpc_attributes(t.aws, t.id, t.news), *_VPC_ATTRIBUTES)],
    delete=lambda t: t.aws.call("ec2", "DeleteVpc", VpcId=t.id),
    tagging=EC2,
    replace_on=frozenset({"cidrBlock", "instanceTenancy"}),
    defaults={"enableDnsSupport": True, "instanceTenancy": "default"},
    computed=frozenset({"cidrBlock", "enableDnsHostnames"}),
    gone=frozenset({"InvalidVpcID.NotFound"}),
    busy=frozenset({"DependencyViolation"}),
)

_SUBNET = {
    "vpcId": "VpcId",
    "cidrBlock": "CidrBlock",
    "availabilityZone": "AvailabilityZone",
    "availabilityZoneId": "AvailabilityZoneId",
}


def _create_subnet(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("subnet", inputs.get("tags"))
    made = aws.call("ec2", "CreateSubnet", **picked(inputs, _SUBNET), TagSpecifications=tags)
    return str(made["Subnet"]["SubnetId"])


def _set_public(aws: Aws, subnet: str, inputs: Properties) -> None:
    public = inputs.get("mapPublicIpOnLaunch", False)
    aws.call("ec2", "ModifySubnetAttribute", SubnetId=subnet, MapPublicIpOnLaunch={"Value": public})


def _read_subnet(aws: Aws, subnet: str, _: Properties) -> Properties | None:
    found = aws.call("ec2", "DescribeSubnets", SubnetIds=[subnet])["Subnets"][0]
    return {
        **seen(found, _SUBNET),
        "mapPublicIpOnLaunch": bool(found.get("MapPublicIpOnLaunch")),
        "arn": found.get("SubnetArn") or aws.arn("ec2", f"subnet/{subnet}"),
        "ownerId": found.get("OwnerId"),
        "tags": tag_map(found.get("Tags")),
    }


SUBNET = ResourceType(
    type="aws:ec2/subnet:Subnet",
    create=_create_subnet,
    finish=lambda t: _set_public(t.aws, t.id, t.news),
    read=_read_subnet,
    updates=[Update.of(lambda t: _set_public(t.aws, t.id, t.news), "mapPublicIpOnLaunch")],
    delete=lambda t: t.aws.call("ec2", "DeleteSubnet", SubnetId=t.id),
    tagging=EC2,
    replace_on=frozenset(_SUBNET),
    defaults={"mapPublicIpOnLaunch": False},
    computed=frozenset({"availabilityZone", "availabilityZoneId"}),
    gone=frozenset({"InvalidSubnetID.NotFound"}),
    busy=frozenset({"DependencyViolation"}),
)


def _create_internet_gateway(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("internet-gateway", inputs.get("tags"))
    made = aws.call("ec2", "CreateInternetGateway", TagSpecifications=tags)
    return str(made["InternetGateway"]["InternetGatewayId"])


def _read_internet_gateway(aws: Aws, gateway: str, _: Properties) -> Properties | None:
    found = aws.call("ec2", "DescribeInternetGateways", InternetGatewayIds=[gateway])["InternetGateways"][0]
    attached = [a["VpcId"] for a in found.get("Attachments", [])]
    return {
        "vpcId": attached[0] if attached else None,
        "arn": aws.arn("ec2", f"internet-gateway/{gateway}"),
        "ownerId": found.get("OwnerId") or aws.account_id,
        "tags": tag_map(found.get("Tags")),
    }


def _move_internet_gateway(task: Task) -> None:
    _detach_internet_gateway(task)
    if task.news.get("vpcId"):
        task.aws.call("ec2", "AttachInternetGateway", InternetGatewayId=task.id, VpcId=task.news["vpcId"])


def _detach_internet_gateway(task: Task) -> None:
    now = _read_internet_gateway(task.aws, task.id, {}) or {}
    if now.get("vpcId"):
        task.aws.call("ec2", "DetachInternetGateway", InternetGatewayId=task.id, VpcId=now["vpcId"])


def _delete_internet_gateway(task: Task) -> None:
    _detach_internet_gateway(task)
    task.aws.call("ec2", "DeleteInternetGateway", InternetGatewayId=task.id)


INTERNET_GATEWAY = ResourceType(
    type="aws:ec2/internetGateway:InternetGateway",
    create=_create_internet_gateway,
    finish=_move_internet_gateway,
    read=_read_internet_gateway,
    updates=[Update.of(_move_internet_gateway, "vpcId")],
    delete=_delete_internet_gateway,
    tagging=EC2,
    computed=frozenset({"vpcId"}),
    gone=frozenset({"InvalidInternetGatewayID.NotFound"}),
    busy=frozenset({"DependencyViolation"}),
)


def _create_eip(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("elastic-ip", inputs.get("tags"))
    made = aws.call("ec2", "AllocateAddress", Domain=inputs.get("domain", "vpc"), TagSpecifications=tags)
    return str(made["AllocationId"])


def _read_eip(aws: Aws, allocation: str, _: Properties) -> Properties | None:
    found = aws.call("ec2", "DescribeAddresses", AllocationIds=[allocation])["Addresses"][0]
    address = found["PublicIp"]
    return {
        "domain": found.get("Domain"),
        "allocationId": allocation,
        "associationId": found.get("AssociationId"),
        "arn": aws.arn("ec2", f"elastic-ip/{allocation}"),
        "publicIp": address,
        "publicDns": f"ec2-{address.replace('.', '-')}.{aws.region}.compute.amazonaws.com",
        "privateIp": found.get("PrivateIpAddress"),
        "tags": tag_map(found.get("Tags")),
    }


EIP = ResourceType(
    type="aws:ec2/eip:Eip",
    create=_create_eip,
    read=_read_eip,
    delete=lambda t: t.aws.call("ec2", "ReleaseAddress", AllocationId=t.id),
    tagging=EC2,
    replace_on=frozenset({"domain"}),
    computed=frozenset({"domain"}),
    gone=frozenset({"InvalidAllocationID.NotFound", "InvalidAddress.NotFound"}),
    busy=frozenset({"InvalidIPAddress.InUse", "DependencyViolation"}),
)

_NAT = {"subnetId": "SubnetId", "connectivityType": "ConnectivityType"}
_NAT_CREATE = {**_NAT, "allocationId": "AllocationId", "privateIp": "PrivateIpAddress"}
_NAT_ADDRESS = {
    "allocationId": "AllocationId",
    "publicIp": "PublicIp",
    "privateIp": "PrivateIp",
    "networkInterfaceId": "NetworkInterfaceId",
    "associationId": "AssociationId",
}


def _nat(aws: Aws, gateway: str) -> Any | None:
    found = aws.call("ec2", "DescribeNatGateways", NatGatewayIds=[gateway])["NatGateways"]
    living = [n for n in found if n["State"] not in ("deleted", "deleting", "failed")]
    return living[0] if living else None


def _create_nat(aws: Aws, inputs: Properties) -> str:
    tags = tag_specification("natgateway", inputs.get("tags"))
    made = aws.call("ec2", "CreateNatGateway", **picked(inputs, _NAT_CREATE), TagSpecifications=tags)
    return str(made["NatGateway"]["NatGatewayId"])


def _nat_available(task: Task) -> None:
    def available() -> bool:
        found = _nat(task.aws, task.id)
        return found is not None and found["State"] == "available"

    task.aws.wait(f"NAT gateway {task.id} to be available", available, task.seconds)


def _read_nat(aws: Aws, gateway: str, _: Properties) -> Properties | None:
    found = _nat(aws, gateway)
    if found is None:
        return None
    addresses = found.get("NatGatewayAddresses") or [{}]
    return {**seen(found, _NAT), **seen(addresses[0], _NAT_ADDRESS), "tags": tag_map(found.get("Tags"))}


def _delete_nat(task: Task) -> None:
    task.aws.call("ec2", "DeleteNatGateway", NatGatewayId=task.id)

    def deleted() -> bool:
        found = task.aws.call("ec2", "DescribeNatGateways", NatGatewayIds=[task.id])["NatGateways"]
        return all(n["State"] == "deleted" for n in found)

    task.aws.wait(f"NAT gateway {task.id} to be deleted", deleted, task.seconds)


NAT_GATEWAY = ResourceType(
    type="aws:ec2/natGateway:NatGateway",
    create=_create_nat,
    finish=_nat_available,
    read=_read_nat,
    delete=_delete_nat,
    tagging=EC2,
    replace_on=frozenset(_NAT_CREATE),
    defaults={"connectivityType": "public"},
    computed=frozenset({"privateIp"}),
    gone=frozenset({"NatGatewayNotFound"}),
)
