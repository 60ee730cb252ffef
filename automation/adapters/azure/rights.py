"""What the identity may do, asked before anything is done: Azure tells it by scope, so nobody has to find out half way.

Role assignments and what they exclude are told; deny assignments, policies and locks are not. Where the question itself
is not allowed, nothing is told and nothing refused: the first act that is not allowed says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any

from automation.adapters.azure import place
from automation.adapters.azure.ids import plain
from automation.adapters.azure.session import Caller
from automation.ports.errors import Conflict, Forbidden, NotFound, Unavailable, Unexpected

_VERSION = "2022-04-01"
_SETS = "Microsoft.Compute/virtualMachineScaleSets"
ROLL: tuple[str, ...] = (
    f"{_SETS}/write",
    f"{_SETS}/manualupgrade/action",
    f"{_SETS}/virtualMachines/reimage/action",
    f"{_SETS}/virtualMachines/delete",
    f"{_SETS}/virtualMachines/runCommand/action",
)
"""On the scale set."""
GATEWAY: tuple[str, ...] = (
    "Microsoft.Network/applicationGateways/write",
    "Microsoft.Network/applicationGateways/backendhealth/action",
)
POOLS: tuple[str, ...] = (
    "Microsoft.Network/loadBalancers/backendAddressPools/write",
    "Microsoft.Network/loadBalancers/loadBalancingRules/health/action",
)
"""On the load balancer for SSH."""
SUBNET: tuple[str, ...] = ("Microsoft.Network/virtualNetworks/subnets/join/action",)
IDENTITY: tuple[str, ...] = ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",)
SNAPSHOT: tuple[str, ...] = ("Microsoft.Compute/snapshots/write",)
"""On the resource group: where a disk goes alone."""
POINTS: tuple[str, ...] = (
    "Microsoft.Compute/restorePointCollections/write",
    "Microsoft.Compute/restorePointCollections/restorePoints/write",
)
"""On the resource group: where several disks of a machine go together."""
DISK: tuple[str, ...] = ("Microsoft.Compute/disks/beginGetAccess/action",)
"""On each disk of which a snapshot is made."""

Json = dict[str, Any]


def lacking(caller: Caller, needs: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return what is not allowed, each as ``ACTION on SCOPE``; empty when all is, or nobody may ask.

    Args:
        caller: who asks.
        needs: scope -> actions that will be needed there.
    """
    return tuple(
        f"{action} on {scope}"
        for scope, actions in sorted(needs.items())
        if (known := _permissions(caller, scope)) is not None
        for action in actions
        if not any(_allows(one, action) for one in known)
    )


def of_roll(group: Json, gateway: str, balancer: str) -> dict[str, Collection[str]]:
    """Return what a roll needs, by scope.

    Args:
        group: the scale set, as Azure Resource Manager has it.
        gateway: id of the application gateway.
        balancer: id of the load balancer for SSH; empty where there is none.
    """
    given = (group.get("identity") or {}).get("userAssignedIdentities") or {}
    needs: dict[str, Collection[str]] = {str(group["id"]): ROLL, gateway: GATEWAY}
    needs |= {balancer: POOLS} if balancer else {}
    return needs | {str(one): IDENTITY for one in given}


def of_set(group: str, alone: Collection[str], *, together: bool) -> dict[str, Collection[str]]:
    """Return what the disks of a set need, by scope.

    Args:
        group: id of the resource group.
        alone: disks of which a snapshot each is made.
        together: whether some machine's disks go into one restore point.
    """
    needed = (SNAPSHOT if alone else ()) + (POINTS if together else ())
    return {group: needed, **dict.fromkeys(alone, DISK)}


def _permissions(caller: Caller, scope: str) -> list[Json] | None:
    """Return what the caller's roles say at a scope; None where that cannot be told."""
    path = f"{plain(scope)}/providers/Microsoft.Authorization/permissions"
    try:
        return list(place.read(caller, path, _VERSION).get("value") or ())
    except (Conflict, Forbidden, NotFound, Unavailable, Unexpected):
        return None


def _allows(entry: Json, action: str) -> bool:
    return _matches(entry.get("actions"), action) and not _matches(entry.get("notActions"), action)


def _matches(patterns: Collection[str] | None, action: str) -> bool:
    return any(fnmatchcase(action.lower(), one.lower()) for one in patterns or ())
