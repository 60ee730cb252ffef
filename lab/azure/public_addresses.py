"""Public addresses: each gets one from the range that is kept for documentation, and a name when it has a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lab.azure.inline import NETWORK_VERSIONS
from lab.azure.kinds import Change, Kind
from lab.azure.operations import Steps
from lab.azure.resources import Resource

ADDRESS = "Microsoft.Network/publicIPAddresses"
DOMAIN = "cloudapp.azure.com"
FIRST = 10


@dataclass(slots=True)
class Addresses(Kind):
    """Public addresses; nothing answers there: the lab listens on loopback only."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS
    located: ClassVar[bool] = True
    tagged_body: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - there is nothing to choose
        """Give it an address and a name."""
        used = {one.own for one in self.world.resources.of(ADDRESS) if one is not resource}
        if resource.own is None:
            resource.own = next(number for number in range(FIRST, 250) if number not in used)
        resource.properties["ipAddress"] = f"203.0.113.{resource.own}"
        names = resource.properties.get("dnsSettings") or {}
        if names.get("domainNameLabel"):
            names["fqdn"] = f"{names['domainNameLabel']}.{resource.location}.{DOMAIN}"
        yield self.world.after(self.world.timings.network)
        return None
