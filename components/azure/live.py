"""What the automation has changed in the cloud since the last run, so that Pulumi does not put it back.

Azure's resources are written as a whole: whatever an update sends replaces what was there. `ignore_changes` is not
enough, because it keeps the inputs of the last update, and the next update of anything else in the resource would send
them again: addresses of nodes that are gone, or a capacity that ends a node. So the program sends what is there now.
"""

import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import pulumi
from pulumi.runtime import invoke_async

from components.azure.place import Place

MISSING = re.compile(r"NotFound|\b404\b")
"""What Azure's answer contains when the resource, or its group, is not there yet."""


async def _ask(token: str, arguments: Mapping[str, str], parent: pulumi.Resource) -> Mapping[str, Any]:
    """Return a resource as it is; empty when there is none.

    Raises:
        Exception: the cloud did not say; whoever guesses then takes nodes out of service.
    """
    try:
        found = await invoke_async(token, dict(arguments), pulumi.InvokeOptions(parent=parent))
    except Exception as failure:
        # The engine's own type is plain Exception: the text is all there is.
        if MISSING.search(str(failure)):
            return {}
        raise
    return found or {}


def capacity(where: Place, scale_set: str, planned: int, parent: pulumi.Resource) -> pulumi.Output[int]:
    """Return how many nodes a scale set shall have: those that are there, and never fewer than planned.

    More nodes arrive when ``planned`` grows; a roll's surge node stays; fewer come about by the automation only, which
    drains a node before it ends it.
    """

    async def read() -> int:
        arguments = {"resourceGroupName": where.name, "vmScaleSetName": scale_set}
        found = await _ask("azure-native:compute:getVirtualMachineScaleSet", arguments, parent)
        return max(planned, int((found.get("sku") or {}).get("capacity") or 0))

    return _output(read())


def gateway_addresses(where: Place, gateway: str, pool: str, parent: pulumi.Resource) -> pulumi.Output[Any]:
    """Return who stands in a pool of an application gateway, as inputs of the pool."""

    async def read() -> list[dict[str, str]]:
        arguments = {"resourceGroupName": where.name, "applicationGatewayName": gateway}
        found = await _ask("azure-native:network:getApplicationGateway", arguments, parent)
        known = _pool(found, pool).get("backendAddresses") or []
        return [{"ip_address": str(line["ipAddress"])} for line in known if line.get("ipAddress")]

    return _output(read())


def balancer_addresses(where: Place, balancer: str, pool: str, parent: pulumi.Resource) -> pulumi.Output[Any]:
    """Return who stands in a pool of a load balancer, as inputs of the pool."""

    async def read() -> list[dict[str, Any]]:
        arguments = {"resourceGroupName": where.name, "loadBalancerName": balancer}
        found = await _ask("azure-native:network:getLoadBalancer", arguments, parent)
        known = _pool(found, pool).get("loadBalancerBackendAddresses") or []
        return [_address(line) for line in known if line.get("ipAddress")]

    return _output(read())


def _pool(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    pools: Sequence[Mapping[str, Any]] = found.get("backendAddressPools") or []
    return next((pool for pool in pools if pool.get("name") == name), {})


def _address(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return one address with what says where it is: a network, or a subnet of one."""
    kept = {"name": line.get("name"), "ip_address": line["ipAddress"], "admin_state": line.get("adminState")}
    places = {"virtual_network": line.get("virtualNetwork"), "subnet": line.get("subnet")}
    kept |= {name: {"id": place["id"]} for name, place in places.items() if place}
    return {name: value for name, value in kept.items() if value is not None}


def _output(value: Awaitable[Any]) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)
