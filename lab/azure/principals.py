"""Managed identities: principals without a secret, which machines and other resources may be given."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lab.azure.kinds import Change, Kind
from lab.azure.operations import Steps
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"


@dataclass(slots=True)
class Identities(Kind):
    """Managed identities; principal and client are the same for the same id in every world."""

    located: ClassVar[bool] = True

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - there is nothing to choose
        """Give it its ids."""
        name = resource.id.lower()
        resource.properties |= {
            "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/principal")),
            "clientId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/client")),
            "tenantId": self.world.subscriptions.get(resource.target.subscription.lower(), ""),
        }
        yield from ()
        return None


def assign(world: AzureWorld, resource: Resource) -> None:
    """Tell what a resource's own identity is, where it asks for one, and the ids of those that it is given."""
    asked = resource.document.get("identity")
    if not isinstance(asked, dict):
        return
    tenant = world.subscriptions.get(resource.target.subscription.lower(), "")
    if "systemassigned" in str(asked.get("type", "")).replace(" ", "").lower():
        own = uuid.uuid5(uuid.NAMESPACE_URL, f"{resource.id.lower()}/principal")
        asked |= {"principalId": str(own), "tenantId": tenant}
    for identity, shown in (asked.get("userAssignedIdentities") or {}).items():
        found = world.resources.find(identity)
        if found is not None and isinstance(shown, dict):
            shown |= {name: found.properties.get(name) for name in ("principalId", "clientId")}
