"""Who may talk to whom: a network security group for each subnet, whose rules end with a refusal of everything else."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from itertools import count
from typing import Any

import pulumi
from pulumi_azure_native import network as azure

from components.addresses import split
from components.azure.network import BACKUPS, blocks
from components.azure.place import Place
from components.flows import FLOWS, POSTGRESQL, SSH, Flow
from components.naming import Estate
from components.spec import NetworkSpec
from components.tokens import type_token

LAST = 4096
PROBES = "AzureLoadBalancer"
"""Service tag: where health probes come from."""
APP_PORTS = "30000-32767"
"""Through these Azure probes the machines of an environment of Container Apps."""
MANAGEMENT_PORTS = "65200-65535"
"""Through these Azure manages the machines of an application gateway; without them it does not start."""
SUBNETS = {"balancer": "gateway", "nodes": "nodes", "database": "database", "file-server": "file-server"}
"""Group of the flows' table -> its subnet. The SSH load balancer has none: it passes clients on as they are."""


class AzureFirewall(pulumi.ComponentResource):
    """Network security groups, whole with their rules."""

    groups: dict[str, pulumi.Output[str]]
    """Ids of the groups, by their subnets."""

    def __init__(
        self,
        name: str,
        spec: NetworkSpec,
        estate: Estate,
        where: Place,
        *,
        front_ports: Sequence[int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureFirewall"), name, {}, opts)
        self._name, self._estate, self._where = name, estate, where
        rules = Rules(spec, front_ports)
        self.groups = {
            subnet: self._group(subnet, rules.of(subnet)) for subnet in (*SUBNETS.values(), "front", BACKUPS)
        }
        self.register_outputs({"groups": self.groups})

    def _group(self, subnet: str, rules: Sequence[Mapping[str, Any]]) -> pulumi.Output[str]:
        child = f"{self._name}-{subnet}"
        made = azure.NetworkSecurityGroup(
            child,
            network_security_group_name=f"{self._estate.cluster}-{subnet}",
            resource_group_name=self._where.group,
            location=self._where.location,
            security_rules=rules,
            tags=self._estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self),
        )
        identifier: pulumi.Output[str] = made.id
        return identifier


class Rules:
    """The rules of every subnet's group."""

    def __init__(self, spec: NetworkSpec, front_ports: Sequence[int]) -> None:
        self._spec, self._front_ports = spec, front_ports
        self._blocks: Mapping[str, IPv4Network] = blocks(split(spec.cidr))

    def of(self, subnet: str) -> list[dict[str, Any]]:
        """Return the rules of one subnet's group, in their order."""
        inward, outward = count(100, 10), count(100, 10)
        rules = [
            *(rule | {"direction": "Inbound", "priority": next(inward)} for rule in self._inward(subnet)),
            *(rule | {"direction": "Outbound", "priority": next(outward)} for rule in self._outward(subnet)),
        ]
        # A gateway's own machines need ways out that Azure does not list, and a database's subnet is Azure's to run.
        closed = {"gateway": ["Inbound"], "front": ["Inbound"], "database": ["Inbound"]}
        directions = closed.get(subnet, ["Inbound", "Outbound"])
        return [*rules, *({**_refusal(direction), "priority": LAST} for direction in directions)]

    def _inward(self, subnet: str) -> Iterator[dict[str, Any]]:
        for flow in FLOWS:
            if SUBNETS[flow.target] == subnet and flow.source != "ssh-balancer":
                yield self._between(flow)
        if subnet == "nodes":
            for number, cidr in enumerate(self._spec.allowed_cidrs):
                yield _allow(f"git-ssh-{number}", cidr, "*", str(SSH))
            yield _allow("probes", PROBES, "*", "*", "*")
        if subnet == "gateway":
            for port in self._front_ports:
                for number, cidr in enumerate(self._spec.allowed_cidrs):
                    yield _allow(f"clients-{port}-{number}", cidr, "*", str(port))
            yield _allow("management", "GatewayManager", "*", MANAGEMENT_PORTS)
            yield _allow("probes", PROBES, "*", "*", "*")
        if subnet == "database":
            # The standby follows the primary inside the subnet.
            own = str(self._blocks[subnet])
            yield _allow("standby", own, own, "*", "*")
        if subnet == BACKUPS:
            yield self._environment()
            yield _allow("probes", PROBES, "*", APP_PORTS)

    def _outward(self, subnet: str) -> Iterator[dict[str, Any]]:
        if subnet == BACKUPS:
            yield from self._of_backups()
        if subnet not in {"nodes", "file-server"}:
            return
        for flow in FLOWS:
            if SUBNETS.get(flow.source) == subnet:
                yield self._between(flow)
        # Packages (many mirrors speak plain HTTP; signatures protect them) and the cloud's own services; nothing else
        # from the file server.
        for port in self._spec.egress_ports if subnet == "nodes" else (80, 443):
            yield _allow(f"world-{port}", "*", "Internet", str(port))

    def _environment(self) -> dict[str, Any]:
        """An environment of Container Apps is a cluster of machines of Azure's own, which talk to each other."""
        own = str(self._blocks[BACKUPS])
        return _allow("environment", own, own, "*", "*")

    def _of_backups(self) -> Iterator[dict[str, Any]]:
        """A backup calls Bitbucket, wherever its balancer stands, and Azure; its journal may lie in the network."""
        yield self._environment()
        for port in (80, 443):
            yield _allow(f"world-{port}", "*", "Internet", str(port))
            yield _allow(f"bitbucket-{port}", "*", str(self._blocks["gateway"]), str(port))
        yield _allow("journal", "*", "VirtualNetwork", str(POSTGRESQL))

    def _between(self, flow: Flow) -> dict[str, Any]:
        source, target = (str(self._blocks[SUBNETS[group]]) for group in (flow.source, flow.target))
        ports = str(flow.low) if flow.low == flow.high else f"{flow.low}-{flow.high}"
        return _allow(flow.what, source, target, ports, flow.protocol.capitalize())


def _allow(what: str, source: str, target: str, ports: str, protocol: str = "Tcp") -> dict[str, Any]:
    return {
        "name": what,
        "access": "Allow",
        "protocol": protocol,
        "source_address_prefix": source.replace("0.0.0.0/0", "*"),
        "source_port_range": "*",
        "destination_address_prefix": target,
        "destination_port_range": ports,
    }


def _refusal(direction: str) -> dict[str, Any]:
    """Azure lets everything inside a network talk to everything unless a rule says no."""
    return {**_allow("nothing-else", "*", "*", "*", "*"), "name": f"nothing-else-{direction.lower()}"} | {
        "access": "Deny",
        "direction": direction,
    }
