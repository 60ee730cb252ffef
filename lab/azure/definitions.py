"""Roles: those that every tenant has, those that somebody defines, and what a caller's roles allow at a scope."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.azure import errors
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json, Request
from lab.azure.paths import Target, name_of
from lab.azure.resources import Resource
from lab.azure.rights import Rights

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

DEFINITION, PERMISSION = "Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/permissions"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": ("*",),  # Owner
    "b24988ac-6180-42a0-ab88-20f7382dd24c": ("*",),  # Contributor
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": ("*/read",),  # Reader
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05": ("*/read",),  # Monitoring Reader
    "9980e02c-c2be-4d73-94e8-173b1dc7cf3c": (  # Virtual Machine Contributor
        "Microsoft.Compute/virtualMachines/*",
        "Microsoft.Compute/virtualMachineScaleSets/*",
        "Microsoft.Compute/disks/*",
        "Microsoft.Network/networkInterfaces/*",
    ),
    "3913510d-42f4-4e42-8a64-420c390055eb": ("Microsoft.Insights/Metrics/Write",),  # Monitoring Metrics Publisher
    "4d97b98b-1d4f-4787-a291-c67834d212e7": ("Microsoft.Network/*",),  # Network Contributor
    "e147488a-f6f5-4113-8e2d-b22465e65bf6": (  # Key Vault Crypto Service Encryption User
        "Microsoft.KeyVault/vaults/keys/read",
        "Microsoft.KeyVault/vaults/keys/wrap/action",
        "Microsoft.KeyVault/vaults/keys/unwrap/action",
    ),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": ("Microsoft.KeyVault/vaults/secrets/*",),  # Key Vault Secrets Officer
    "4633458b-17de-408a-b874-0445c86b69e6": (  # Key Vault Secrets User
        "Microsoft.KeyVault/vaults/secrets/getSecret/action",
        "Microsoft.KeyVault/vaults/secrets/read",
    ),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": ("Microsoft.ContainerRegistry/registries/pull/read",),  # AcrPull
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": (f"{BLOBS}/read",),  # Storage Blob Data Reader
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": (f"{BLOBS}/*",),  # Storage Blob Data Contributor
}
"""Id of a built-in role -> what it allows; the lab has these and those that somebody defines."""
WITHOUT: Mapping[str, tuple[str, ...]] = {
    "b24988ac-6180-42a0-ab88-20f7382dd24c": (  # Contributor
        "Microsoft.Authorization/*/Delete",
        "Microsoft.Authorization/*/Write",
        "Microsoft.Authorization/elevateAccess/Action",
    ),
}
"""Id of a built-in role -> what its actions leave out."""
NAMES: Mapping[str, str] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "43d0d8ad-25c7-4714-9337-8ba259a9fe05": "Monitoring Reader",
    "9980e02c-c2be-4d73-94e8-173b1dc7cf3c": "Virtual Machine Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "e147488a-f6f5-4113-8e2d-b22465e65bf6": "Key Vault Crypto Service Encryption User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
}
"""Id of a built-in role -> its name."""


@dataclass(slots=True)
class Definitions(Kind):
    """Roles by their definitions."""

    def accept(self, change: Change) -> Json:
        """Refuse a role without a name, a scope or anything that it allows."""
        document = Kind.accept(self, change)
        asked = document.setdefault("properties", {})
        if not (asked.get("roleName") and asked.get("assignableScopes") and asked.get("permissions")):
            message = "The role definition needs roleName, assignableScopes and permissions."
            raise errors.invalid(message, "InvalidRoleDefinition")
        asked["type"] = "CustomRole"
        return document

    def listing(self, target: Target, request: Request) -> Json:
        """Return every role; with ``roleName eq '...'`` the one of that name."""
        wanted = re.search(r"roleName eq '([^']*)'", request.query.get("$filter", ""), re.IGNORECASE)
        custom = [self.show(one, request.query) for one in self.world.resources.of(DEFINITION)]
        known = [_built_in(target, identity) for identity in ACTIONS] + custom
        chosen = [one for one in known if wanted is None or one["properties"]["roleName"].lower() == wanted[1].lower()]
        return {"value": chosen}


@dataclass(slots=True)
class Permissions(Kind):
    """What the caller may do at a scope."""

    def listing(self, target: Target, request: Request) -> Json:
        """Return one entry for each role that reaches the scope."""
        who = self.world.identities.bearer(request.headers, self.world.audiences)
        return {"value": [one.wire() for one in who.rights(target.scope)]}


KINDS: Mapping[str, type[Kind]] = {DEFINITION: Definitions, PERMISSION: Permissions}


def is_known(world: AzureWorld, role: str) -> bool:
    """Tell whether there is a role of this id, whatever scope the id is written with."""
    return name_of(role).lower() in ACTIONS or _custom(world, role) is not None


def rights_of(world: AzureWorld, role: str) -> list[Rights]:
    """Return what a role allows; nothing for one that is gone."""
    identity = name_of(role).lower()
    if identity in ACTIONS:
        return [Rights.of(ACTIONS[identity], WITHOUT.get(identity, ()))]
    found = _custom(world, role)
    return [] if found is None else [Rights.read(one) for one in found.properties.get("permissions") or ()]


def _custom(world: AzureWorld, role: str) -> Resource | None:
    known = world.resources.of(DEFINITION)
    return next((one for one in known if one.name.lower() == name_of(role).lower()), None)


def _built_in(target: Target, identity: str) -> Json:
    return {
        "id": f"/subscriptions/{target.subscription}/providers/{DEFINITION}/{identity}",
        "name": identity,
        "type": DEFINITION,
        "properties": {
            "roleName": NAMES.get(identity, identity),
            "type": "BuiltInRole",
            "description": "",
            "assignableScopes": ["/"],
            "permissions": [Rights.of(ACTIONS[identity], WITHOUT.get(identity, ())).wire()],
        },
    }
