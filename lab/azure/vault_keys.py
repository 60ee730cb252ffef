"""Keys of key vaults, as the resource manager shows them: who uses one names it by its address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from lab.azure.kinds import Change, Kind
from lab.azure.operations import Steps
from lab.azure.resources import Resource

KEY = "Microsoft.KeyVault/vaults/keys"


@dataclass(slots=True)
class Keys(Kind):
    """Keys; a PUT of one that is there makes no new version."""

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - there is nothing to choose
        """Give it its address, and that of its version."""
        vault = self.world.resources.get(resource.target.owner())
        place = f"{str(vault.properties['vaultUri']).rstrip('/')}/keys/{resource.name}"
        resource.own = resource.own or secrets.token_hex(16)
        resource.properties |= {"keyUri": place, "keyUriWithVersion": f"{place}/{resource.own}"}
        yield from ()
        return None
