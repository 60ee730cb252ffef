"""Rights that a write needs on other resources than its own: those that its body refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lab.azure import paths
from lab.azure.errors import ArmError
from lab.azure.identities import Principal

if TYPE_CHECKING:
    from lab.azure.messages import Request

_NEEDED = (
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/networkSecurityGroups/join/action",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/publicIPAddresses/join/action",
    "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
    "Microsoft.Network/applicationGateways/backendAddressPools/join/action",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.Compute/diskEncryptionSets/read",
    "Microsoft.Compute/disks/beginGetAccess/action",
    "Microsoft.Compute/snapshots/beginGetAccess/action",
)
JOINED: Mapping[str, str] = {action.removesuffix("/action").rpartition("/")[0].lower(): action for action in _NEEDED}
"""Type that is referred to, in small letters -> what has to be allowed on it."""
_CONTENT = ("microsoft.compute/disks", "microsoft.compute/snapshots")
"""Types whose content is read when one is named as the source of a disk or a snapshot, and only then."""
_NETWORK, _BALANCERS = "microsoft.network/virtualnetworks", "microsoft.network/loadbalancers"


def authorize(principal: Principal, request: Request, target: paths.Target, action: str) -> None:
    """Refuse a write whose body names something that the principal may not use.

    Raises:
        ArmError: 403; nothing has happened.
    """
    if request.method not in {"PUT", "PATCH"} or not target.provider:
        return
    named = dict.fromkeys(_references(request.json()))
    inside = f"{paths.key(target.path)}/"
    for identity in named:
        needed = "" if f"{paths.key(identity)}/".startswith(inside) else _needed(target, paths.parse(identity))
        if needed and not principal.may(needed, identity):
            message = (
                f"The client '{principal.client}' with object id '{principal.object}' has permission to perform action "
                f"'{action}' on scope '{target.path}'; however, it does not have permission to perform action(s) "
                f"'{needed}' on the linked scope(s) '{identity}' (respectively) or the linked scope(s) are invalid."
            )
            raise ArmError(403, "LinkedAuthorizationFailed", message)


def _needed(target: paths.Target, named: paths.Target) -> str:
    kind, own = named.kind.lower(), target.kind.lower()
    if kind == _NETWORK and own.startswith(_BALANCERS):
        return "Microsoft.Network/virtualNetworks/joinLoadBalancer/action"
    if kind in _CONTENT and own not in _CONTENT:  # a machine's own disk: another check of Azure's, on the machine
        return ""
    return JOINED.get(kind, "")


def _references(value: object) -> Iterator[str]:
    """Yield every text in a body that is the id of a resource, names of an object's values among them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _references(name)
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
    elif isinstance(value, str) and value.lower().startswith("/subscriptions/") and "/providers/" in value.lower():
        yield value
