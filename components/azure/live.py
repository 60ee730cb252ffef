"""What the automation has changed in the cloud since the last run, so that Pulumi does not put it back.

Azure's resources are written as a whole: whatever an update sends replaces what was there. `ignore_changes` is not
enough, because it keeps the inputs of the last update, and the next update of anything else in the resource would send
them again: addresses of nodes that are gone, or a capacity that ends a node. So the program sends what is there now.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import invoke_async

from components.azure.place import Place
from components.naming import DRAINING_TAG, RENEWED_TAG, REPLACING_TAG

POOL_HTTP, POOL_SSH = "http", "ssh"
"""Names of the pools, by which the automation knows them."""
MISSING = re.compile(r"NotFound|\b404\b")
"""What Azure's answer contains when the resource, or its group, is not there yet."""
GATEWAY = ("azure-native:network:getApplicationGateway", "applicationGatewayName")
BALANCER = ("azure-native:network:getLoadBalancer", "loadBalancerName")
SERVER = ("azure-native:dbforpostgresql:getServer", "serverName")
SCALE_SET = ("azure-native:compute:getVirtualMachineScaleSet", "vmScaleSetName")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of what the automation changes."""

    gateway: str
    balancer: str
    scale_set: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is there now; the beginning is an estate that is not there yet."""

    nodes: int = 0
    http: Sequence[Mapping[str, Any]] = ()
    """Members of the gateway's pool, as inputs."""
    ssh: Sequence[Mapping[str, Any]] = ()
    """Members of the load balancer's pool, as inputs."""
    gateway_tags: Mapping[str, str] = field(default_factory=dict)
    scale_set_tags: Mapping[str, str] = field(default_factory=dict)

    def capacity(self, planned: int) -> int:
        """Return how many nodes the scale set shall have: those that are there, and never fewer than planned.

        More nodes arrive when ``planned`` grows; a roll's surge node stays; fewer come about by the automation only,
        which drains a node before it ends it.
        """
        return max(planned, self.nodes)


async def facts(where: Place, names: Names, parent: pulumi.Resource) -> Facts:
    """Read what the automation has changed.

    Raises:
        Exception: the cloud did not say; whoever guesses then takes nodes out of service.
    """
    gateway = await _ask(GATEWAY, names.gateway, where, parent)
    balancer = await _ask(BALANCER, names.balancer, where, parent)
    scale_set = await _ask(SCALE_SET, names.scale_set, where, parent)
    nodes = int((scale_set.get("sku") or {}).get("capacity") or 0)
    addresses = _pool(gateway, POOL_HTTP).get("backendAddresses") or []
    http = sorted(str(line["ipAddress"]) for line in addresses if line.get("ipAddress"))
    # Only while a node is out of service: afterwards the notes mean nothing, and would be updates for nothing.
    notes = len(http) < nodes
    pool = _pool(balancer, POOL_SSH).get("loadBalancerBackendAddresses") or []
    ssh = [line for line in pool if notes or not _is_left_over(line, http)]
    return Facts(
        nodes,
        [{"ip_address": address} for address in http],
        sorted((_address(line) for line in ssh if line.get("ipAddress")), key=lambda line: str(line["ip_address"])),
        _kept(gateway, DRAINING_TAG) if notes else {},
        # A renewal holds for ever: without it a machine would be taken for the one before it.
        (_kept(scale_set, REPLACING_TAG) if notes else {}) | _kept(scale_set, RENEWED_TAG),
    )


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What Azure itself has changed of a database server; the beginning is a server that is not there yet."""

    size: int = 0
    """GiB of storage. It grows when it is full, and Azure takes none back."""


async def server_facts(where: Place, name: str, parent: pulumi.Resource) -> ServerFacts:
    """Read what Azure has changed: to send the size of the first day again would be refused.

    Raises:
        Exception: the cloud did not say.
    """
    found = await _ask(SERVER, name, where, parent)
    return ServerFacts(int((found.get("storage") or {}).get("storageSizeGB") or 0))


async def _ask(what: tuple[str, str], name: str, where: Place, parent: pulumi.Resource) -> Json:
    """Return a resource as it is; empty when there is none."""
    token, key = what
    asking = pulumi.InvokeOptions(parent=parent)
    try:
        found: Json | None = await invoke_async(token, {"resourceGroupName": where.name, key: name}, asking)
    except Exception as failure:
        # The engine's own type is plain Exception: the text is all there is.
        if MISSING.search(str(failure)):
            return {}
        raise
    return found or {}


def _kept(found: Json, tag: str) -> dict[str, str]:
    tags = found.get("tags") or {}
    return {tag: str(tags[tag])} if tags.get(tag) else {}


def _pool(found: Json, name: str) -> Json:
    pools: Sequence[Json] = found.get("backendAddressPools") or []
    return next((pool for pool in pools if pool.get("name") == name), {})


def _is_left_over(line: Json, serving: Sequence[str]) -> bool:
    """Tell whether an address is down and no node's: that of a node which a roll has taken away for good."""
    return line.get("adminState") == "Down" and line.get("ipAddress") not in serving


def _address(line: Json) -> dict[str, Any]:
    """Return one address with what says where it is: a network, or a subnet of one; a state only if it has one."""
    state = None if line.get("adminState") == "None" else line.get("adminState")
    kept = {"name": line.get("name"), "ip_address": line["ipAddress"], "admin_state": state}
    places = {"virtual_network": line.get("virtualNetwork"), "subnet": line.get("subnet")}
    kept |= {name: {"id": place["id"]} for name, place in places.items() if place}
    return {name: value for name, value in kept.items() if value is not None}
