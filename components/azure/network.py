"""The virtual network: a subnet for each kind of resident, and a way out for the machines."""

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

import pulumi
from pulumi_azure_native import network as azure

from components.addresses import Subnets, split
from components.azure.place import Place
from components.naming import Estate
from components.spec import NetworkSpec
from components.tokens import type_token

ZONES = ("1", "2", "3")
"""Every region with zones calls them so."""
IDLE_MINUTES = 30
"""The longest that a public address offers; by default it is four minutes."""
BACKUPS = "backups"
"""Subnet of scheduled backups, whose stack is another one. It is here because a network is written whole: a subnet that
its program does not name is one that it takes away."""
POSTGRESQL_SERVERS = "Microsoft.DBforPostgreSQL/flexibleServers"
DELEGATED = {
    "database": ("postgresql", POSTGRESQL_SERVERS),
    BACKUPS: ("container-apps", "Microsoft.App/environments"),
}
"""Subnets that belong to one service alone."""


class AzureNetwork(pulumi.ComponentResource):
    """A virtual network. Azure's subnets span all zones, so there is one of each kind."""

    vpc_id: pulumi.Output[str]
    """Id of the virtual network."""
    subnet_ids: dict[str, pulumi.Output[str]]
    """Ids of the subnets: ``gateway``, ``front``, ``nodes``, ``file-server``, ``database``, ``backups``."""
    zones: tuple[str, ...]
    """Names of the zones."""
    subnets: Subnets
    """The network's parts."""

    def __init__(
        self,
        name: str,
        spec: NetworkSpec,
        estate: Estate,
        where: Place,
        *,
        groups: Mapping[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureNetwork"), name, {}, opts)
        self._name, self._estate, self._where = name, estate, where
        self._inside = pulumi.ResourceOptions(parent=self)
        self.subnets, self.zones = split(spec.cidr), spec.zones or ZONES
        way_out = self._way_out()
        self.network = azure.VirtualNetwork(
            f"{name}-network",
            virtual_network_name=f"{estate.cluster}-network",
            resource_group_name=where.group,
            location=where.location,
            address_space={"address_prefixes": [str(spec.cidr)]},
            # Inside the network and not beside it: one request makes them all, where requests for single subnets
            # refuse each other.
            subnets=[self._subnet(kind, block, groups, way_out) for kind, block in blocks(self.subnets).items()],
            tags=estate.tagged(f"{name}-network"),
            opts=self._inside,
        )
        self.vpc_id = self.network.id
        self.subnet_ids = {kind: pulumi.Output.concat(self.vpc_id, "/subnets/", kind) for kind in blocks(self.subnets)}
        self.register_outputs({"vpcId": self.vpc_id})

    def _subnet(
        self, kind: str, block: IPv4Network, groups: Mapping[str, pulumi.Output[str]], way_out: pulumi.Output[str]
    ) -> dict[str, Any]:
        subnet: dict[str, Any] = {
            "name": kind,
            "address_prefix": str(block),
            "network_security_group": {"id": groups[kind]},
        }
        if kind in {"nodes", "file-server", BACKUPS}:
            # A machine reaches the outside through the gateway that is declared, or not at all.
            subnet |= {"nat_gateway": {"id": way_out}, "default_outbound_access": False}
        if kind in DELEGATED:
            name, service = DELEGATED[kind]
            subnet["delegations"] = [{"name": name, "service_name": service}]
        return subnet

    def _way_out(self) -> pulumi.Output[str]:
        """One for all zones: a subnet has one. While its zone is down serving goes on; a booting node has to wait."""
        child, estate, where = f"{self._name}-nat", self._estate, self._where
        address = public_address(child, f"{estate.cluster}-nat", estate, where, inside=self._inside)
        made = azure.NatGateway(
            child,
            nat_gateway_name=f"{estate.cluster}-nat",
            resource_group_name=where.group,
            location=where.location,
            sku={"name": "Standard"},
            public_ip_addresses=[{"id": address.id}],
            tags=estate.tagged(child),
            opts=self._inside,
        )
        identifier: pulumi.Output[str] = made.id
        return identifier


def blocks(subnets: Subnets) -> dict[str, IPv4Network]:
    """Return the subnets' addresses by their names."""
    return {
        "file-server": subnets.private[0],
        "nodes": subnets.private[1],
        "database": subnets.private[2],
        "gateway": subnets.public[0],
        "front": subnets.public[1],
        BACKUPS: subnets.public[2],
    }


def public_address(
    child: str,
    physical: str,
    estate: Estate,
    where: Place,
    *,
    inside: pulumi.ResourceOptions,
    label: pulumi.Input[str] | None = None,
) -> azure.PublicIPAddress:
    """Declare a public address over all zones; ``label`` is the first part of its name in the cloud's DNS.

    An application gateway takes the time for which a client may be silent from its address.
    """
    return azure.PublicIPAddress(
        child,
        public_ip_address_name=physical,
        resource_group_name=where.group,
        location=where.location,
        sku={"name": "Standard"},
        public_ip_allocation_method="Static",
        idle_timeout_in_minutes=IDLE_MINUTES,
        dns_settings=None if label is None else {"domain_name_label": label},
        zones=list(ZONES),
        tags=estate.tagged(child),
        opts=inside,
    )
