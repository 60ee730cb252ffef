"""What role assignments allow, and the principals that live by them: the identities of machines.

Principals with a secret have what ``identities.Principal`` says of them; a machine's identity may do what the role
assignments of the world say at the moment of the call.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lab.azure import errors
from lab.azure.errors import ArmError
from lab.azure.identities import Principal, Token
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json
from lab.azure.models import SCALE_SET
from lab.azure.paths import key, name_of
from lab.azure.principals import IDENTITY
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.instances import Instance
    from lab.azure.world import AzureWorld

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
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


@dataclass(slots=True)
class Assignments(Kind):
    """Role assignments: each needs a role that there is, and stays as it was made."""

    def accept(self, change: Change) -> Json:
        """Refuse a role that does not exist, and a change of what an assignment says."""
        document = Kind.accept(self, change)
        asked = document.setdefault("properties", {})
        role = str(asked.get("roleDefinitionId") or "")
        if not asked.get("principalId"):
            raise errors.invalid("Required parameter 'principalId' is missing (null).", "InvalidCreateRoleAssignment")
        if name_of(role).lower() not in ACTIONS and self.world.resources.find(role) is None:
            message = f"The specified role definition with ID '{name_of(role)}' does not exist."
            raise errors.invalid(message, "RoleDefinitionDoesNotExist")
        before = {} if change.old is None else change.old.properties
        if any(name in before and before[name] != asked.get(name) for name in ("principalId", "roleDefinitionId")):
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise errors.invalid(message, "RoleAssignmentUpdateNotPermitted")
        asked["scope"] = change.target.scope
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned(Principal):
    """A principal that lives by role assignments."""

    world: AzureWorld

    def may(self, action: str, scope: str) -> bool:
        """Say whether an assignment allows an action on something."""
        return any(
            f"{key(scope)}/".startswith(f"{key(line.target.scope)}/")
            and any(fnmatchcase(action.lower(), allowed.lower()) for allowed in _allowed(line))
            for line in self.world.resources.of(ASSIGNMENT)
            if line.properties.get("principalId") == self.object
        )


def machine_token(world: AzureWorld, machine: str, audience: str, client: str = "") -> dict[str, str]:
    """Return what the metadata service of a machine answers, for its only identity or for the one of a client id.

    Raises:
        ArmError: the machine has no such identity.
    """
    instance = world.instances.of_machine(machine)
    found = [] if instance is None else [one for one in _given(world, instance) if client in {"", _client(one)}]
    if len(found) != 1:
        raise ArmError(400, "invalid_request", "Identity not found")
    who = found[0].properties
    principal = Assigned(
        str(who["clientId"]), str(who["tenantId"]), secrets.token_hex(16), object=str(who["principalId"]), world=world
    )
    text = secrets.token_urlsafe(48)
    world.identities.tokens[text] = Token(principal, audience.rstrip("/"))
    now = int(world.clock.now())
    return {
        "access_token": text,
        "client_id": principal.client,
        "expires_in": "86399",
        "expires_on": str(now + 86399),
        "not_before": str(now),
        "resource": audience,
        "token_type": "Bearer",
    }


def _given(world: AzureWorld, instance: Instance) -> list[Resource]:
    """Return the identities that a machine is given: its own, or its scale set's."""
    resource = instance.resource
    owner = resource if resource.target.owner() == "" else world.resources.find(resource.target.owner())
    holder = owner if owner is not None and owner.target.kind.lower() == SCALE_SET.lower() else resource
    ids = (holder.document.get("identity") or {}).get("userAssignedIdentities") or {}
    found = [world.resources.find(identity) for identity in ids]
    return [one for one in found if one is not None and one.target.kind.lower() == IDENTITY.lower()]


def _client(identity: Resource) -> str:
    return str(identity.properties.get("clientId"))


def _allowed(assignment: Resource) -> tuple[str, ...]:
    return ACTIONS.get(name_of(str(assignment.properties.get("roleDefinitionId"))).lower(), ())
