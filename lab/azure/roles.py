"""What role assignments allow, and the principals that live by them: the identities of machines.

Principals with a secret have what ``identities.Principal`` says of them; a machine's identity may do what the role
assignments of the world say at the moment of the call.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.azure import definitions, errors
from lab.azure.errors import ArmError
from lab.azure.identities import Principal, Token
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json
from lab.azure.models import SCALE_SET
from lab.azure.paths import key, name_of
from lab.azure.principals import IDENTITY
from lab.azure.resources import Resource
from lab.azure.rights import Rights

if TYPE_CHECKING:
    from lab.azure.instances import Instance
    from lab.azure.world import AzureWorld

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"


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
        if not definitions.is_known(self.world, role):
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
        return any(one.allow(action) for one in self.rights(scope))

    def rights(self, scope: str) -> list[Rights]:
        """Return what the assignments at a scope and above it allow."""
        roles = [
            str(line.properties.get("roleDefinitionId"))
            for line in self.world.resources.of(ASSIGNMENT)
            if line.properties.get("principalId") == self.object
            and f"{key(scope)}/".startswith(f"{key(line.target.scope)}/")
        ]
        return [one for role in roles for one in definitions.rights_of(self.world, role)]


def machine_token(world: AzureWorld, machine: str, audience: str, client: str = "") -> dict[str, str]:
    """Return what the metadata service of a machine answers, for its only identity or for the one of a client id.

    Raises:
        ArmError: the machine has no such identity.
    """
    instance = world.instances.of_machine(machine)
    found = [] if instance is None else [one for one in _given(world, instance) if client in {"", _client(one)}]
    if len(found) != 1:
        raise ArmError(400, "invalid_request", "Identity not found")
    return issue(world, found[0], audience)


def principal_of(world: AzureWorld, identity: Resource) -> Assigned:
    """Return who a managed identity is."""
    who = identity.properties
    return Assigned(
        str(who["clientId"]), str(who["tenantId"]), secrets.token_hex(16), object=str(who["principalId"]), world=world
    )


def issue(world: AzureWorld, identity: Resource, audience: str) -> dict[str, str]:
    """Return a token of a managed identity, with what a token service says about it."""
    principal = principal_of(world, identity)
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
