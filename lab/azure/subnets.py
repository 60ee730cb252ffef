"""Virtual networks, their subnets, and who has which address; network interfaces of single machines."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lab.azure import errors
from lab.azure.inline import NETWORK_VERSIONS, Parent
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json
from lab.azure.paths import key
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

NETWORK, SUBNET, CARD = (
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/virtualNetworks/subnets",
    "Microsoft.Network/networkInterfaces",
)
RESERVED = 4
"""Addresses at the beginning of a subnet that Azure keeps, its network address included."""


@dataclass(slots=True)
class Networks(Parent):
    """Virtual networks; subnets in their documents are resources of their own."""

    inline: ClassVar[str] = "subnets"


@dataclass(slots=True)
class Subnets(Kind):
    """Subnets."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS
    tagged_body: ClassVar[bool] = True

    def check_removal(self, resource: Resource) -> None:
        """Refuse while somebody has an address in it."""
        used = taken(self.world, resource.id)
        if used:
            message = f"Subnet {resource.name} is in use by {min(used.values())} and cannot be deleted."
            raise errors.ArmError(400, "InUseSubnetCannotBeDeleted", message)


@dataclass(slots=True)
class Cards(Kind):
    """Network interfaces of single machines: each gets its address when it is made."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS
    located: ClassVar[bool] = True
    tagged_body: ClassVar[bool] = True

    def accept(self, change: Change) -> Json:
        """Give every configuration an address."""
        document = Kind.accept(self, change)
        before = {} if change.old is None else {line["name"]: line for line in _configurations(change.old.document)}
        for line in _configurations(document):
            inside = line["properties"]
            subnet = str((inside.get("subnet") or {}).get("id", ""))
            kept = before.get(line["name"], {}).get("properties", {}).get("privateIPAddress")
            asked = inside.get("privateIPAddress") if inside.get("privateIPAllocationMethod") == "Static" else None
            inside["privateIPAddress"] = kept or asked or free(self.world, subnet)
            line["id"] = f"{change.target.path}/ipConfigurations/{line['name']}"
        return document

    def check_removal(self, resource: Resource) -> None:
        """Refuse while a machine uses it."""
        if resource.properties.get("virtualMachine"):
            message = f"Nic {resource.name} is in use by {resource.properties['virtualMachine']['id']}."
            raise errors.ArmError(400, "NicInUse", message)


def _configurations(document: Json) -> list[Json]:
    found: list[Json] = document.get("properties", {}).get("ipConfigurations") or []
    return found


def taken(world: AzureWorld, subnet: str) -> dict[str, str]:
    """Return address -> id of who has it, in one subnet."""
    found = {}
    for instance in world.instances.all():
        if key(_subnet_of(instance.model)) == key(subnet):
            found[instance.address] = instance.resource.id
    for card in world.resources.of(CARD):
        for line in _configurations(card.document):
            if key(str((line["properties"].get("subnet") or {}).get("id", ""))) == key(subnet):
                found[line["properties"]["privateIPAddress"]] = card.id
    return found


def room(world: AzureWorld, subnet: str) -> int:
    """Return how many addresses of a subnet anybody may have."""
    properties = world.resources.get(subnet).properties
    prefix = properties.get("addressPrefix") or properties.get("addressPrefixes", [""])[0]
    return sum(1 for _ in _usable(str(prefix)))


def free(world: AzureWorld, subnet: str) -> str:
    """Return the lowest free address of a subnet.

    Raises:
        ArmError: there is no such subnet, or it is full.
    """
    resource = world.resources.find(subnet) if subnet else None
    if resource is None:
        message = f"Resource {subnet} referenced by resource was not found."
        raise errors.ArmError(400, "InvalidResourceReference", message)
    prefix = resource.properties.get("addressPrefix") or resource.properties.get("addressPrefixes", [""])[0]
    used = taken(world, subnet)
    for address in _usable(str(prefix)):
        if address not in used:
            return address
    raise errors.ArmError(400, "SubnetIsFull", f"Subnet {resource.name} with address prefix {prefix} is full.")


def _usable(prefix: str) -> Iterator[str]:
    network = ipaddress.ip_network(prefix)
    for number in range(RESERVED, network.num_addresses - 1):
        yield str(network[number])


def _subnet_of(model: Json) -> str:
    """Return the subnet of a scale set's model; empty for a single machine, whose cards have the address."""
    for card in (model.get("networkProfile") or {}).get("networkInterfaceConfigurations") or []:
        for line in _configurations(card):
            return str((line["properties"].get("subnet") or {}).get("id", ""))
    return ""


def subnet_of(model: Json) -> str:
    """Return the subnet that a scale set's model names. Raises ArmError when it names none."""
    found = _subnet_of(model)
    if not found:
        raise errors.invalid("Required parameter 'networkInterfaceConfigurations' is missing (null).")
    return found
