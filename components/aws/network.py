"""The VPC: a public and a private subnet in each of three zones, and a way out for the private ones."""

import pulumi
import pulumi_aws as aws

from components.addresses import ZONES, Subnets, split
from components.naming import Estate
from components.spec import NetworkSpec
from components.tokens import type_token


class AwsNetwork(pulumi.ComponentResource):
    """A VPC over three zones. Machines live in its private subnets only; load balancers may be public."""

    vpc_id: pulumi.Output[str]
    """Id of the VPC."""
    public_subnet_ids: list[pulumi.Output[str]]
    """Ids of the public subnets, one per zone."""
    private_subnet_ids: list[pulumi.Output[str]]
    """Ids of the private subnets, one per zone; the file server's is the first."""
    zones: list[pulumi.Output[str]]
    """Names of the zones."""
    subnets: Subnets
    """The subnets' addresses."""

    def __init__(
        self, name: str, spec: NetworkSpec, estate: Estate, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(type_token("AwsNetwork"), name, {}, opts)
        self._name, self._estate = name, estate
        self._inside = pulumi.ResourceOptions(parent=self)
        self.subnets = split(spec.cidr)
        self.zones = _zones(spec, self._inside)
        vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(spec.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=estate.tagged(f"{name}-vpc"),
            opts=self._inside,
        )
        self.vpc_id = vpc.id
        public = [self._subnet("public", zone) for zone in range(ZONES)]
        private = [self._subnet("private", zone) for zone in range(ZONES)]
        self._open_public(public)
        self._open_private(public, private)
        self.public_subnet_ids = [s.id for s in public]
        self.private_subnet_ids = [s.id for s in private]
        self.register_outputs({"vpcId": self.vpc_id})

    def _subnet(self, kind: str, zone: int) -> aws.ec2.Subnet:
        child = f"{self._name}-{kind}-{zone}"
        block = (self.subnets.public if kind == "public" else self.subnets.private)[zone]
        return aws.ec2.Subnet(
            child,
            vpc_id=self.vpc_id,
            cidr_block=str(block),
            availability_zone=self.zones[zone],
            # Load balancers get their addresses without it; a machine put here by mistake stays unreachable.
            map_public_ip_on_launch=False,
            tags=self._estate.tagged(child),
            # A zone added to the region must not move a subnet, and with it everything inside.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["availabilityZone"]),
        )

    def _open_public(self, public: list[aws.ec2.Subnet]) -> None:
        name, estate = self._name, self._estate
        gateway = aws.ec2.InternetGateway(
            f"{name}-gateway", vpc_id=self.vpc_id, tags=estate.tagged(f"{name}-gateway"), opts=self._inside
        )
        self._gateway = gateway
        table = aws.ec2.RouteTable(
            f"{name}-public",
            vpc_id=self.vpc_id,
            routes=[{"cidr_block": "0.0.0.0/0", "gateway_id": gateway.id}],
            tags=estate.tagged(f"{name}-public"),
            opts=self._inside,
        )
        for zone, subnet in enumerate(public):
            self._associate(f"{name}-public-{zone}", subnet, table)

    def _open_private(self, public: list[aws.ec2.Subnet], private: list[aws.ec2.Subnet]) -> None:
        for zone, subnet in enumerate(private):
            child = f"{self._name}-private-{zone}"
            table = aws.ec2.RouteTable(
                child,
                vpc_id=self.vpc_id,
                routes=[{"cidr_block": "0.0.0.0/0", "nat_gateway_id": self._nat(zone, public[zone]).id}],
                tags=self._estate.tagged(child),
                opts=self._inside,
            )
            self._associate(child, subnet, table)

    def _nat(self, zone: int, subnet: aws.ec2.Subnet) -> aws.ec2.NatGateway:
        """One per zone: a node that boots while another zone is down still fetches Bitbucket and its secrets."""
        child = f"{self._name}-nat-{zone}"
        tags = self._estate.tagged(child)
        address = aws.ec2.Eip(child, domain="vpc", tags=tags, opts=self._inside)
        return aws.ec2.NatGateway(
            child,
            subnet_id=subnet.id,
            allocation_id=address.id,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._gateway]),
        )

    def _associate(self, child: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(child, subnet_id=subnet.id, route_table_id=table.id, opts=self._inside)


def _zones(spec: NetworkSpec, inside: pulumi.ResourceOptions) -> list[pulumi.Output[str]]:
    if spec.zones is not None:
        return [pulumi.Output.from_input(zone) for zone in spec.zones]
    found = aws.get_availability_zones_output(
        state="available",
        # Local and wavelength zones have no RDS and no network load balancer.
        filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
        opts=pulumi.InvokeOutputOptions(parent=inside.parent),
    )
    names = found.apply(lambda zones: sorted(zones.names))
    return [names.apply(lambda all_names, zone=zone: all_names[zone]) for zone in range(ZONES)]
