"""An application gateway as a whole: its pool of nodes, and what is put down on it about those that were taken out.

The gateway's document is written as a whole, under the condition that nobody has changed it since it was read. What
was taken out, and when, goes into its tag ``bitbucket-dc:draining`` in the same request, so the two never differ.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.session import Caller
from automation.ports.errors import Unexpected

HTTP = "http"
"""Name of the pool of nodes; a gateway with one pool only may call it otherwise."""
KEPT = 8
"""How many machines that were taken out are remembered: more do not fit into a tag."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gateway:
    """One reading of an application gateway."""

    document: Json
    """As Azure Resource Manager has it."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["name"])

    @property
    def state(self) -> str:
        """``Succeeded``, ``Updating`` or ``Failed``."""
        return str(self.document["properties"].get("provisioningState"))

    @property
    def pool(self) -> Json:
        """The pool of nodes.

        Raises:
            Unexpected: it cannot be told which pool that is.
        """
        return pool_named(HTTP, self.document["properties"].get("backendAddressPools") or [], self.name)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses that the document names."""
        lines = self.pool["properties"].get("backendAddresses") or []
        return tuple(str(line.get("ipAddress") or line.get("fqdn")) for line in lines)

    @property
    def drain_seconds(self) -> float:
        """How long open requests to a removed machine may go on: the longest among the settings of its rules."""
        properties, wanted = self.document["properties"], str(self.pool["id"]).lower()
        used = {
            str((rule["properties"].get("backendHttpSettings") or {}).get("id", "")).lower()
            for rule in properties.get("requestRoutingRules") or []
            if str((rule["properties"].get("backendAddressPool") or {}).get("id", "")).lower() == wanted
        }
        lines = properties.get("backendHttpSettingsCollection") or []
        draining = [
            line["properties"].get("connectionDraining") or {} for line in lines if str(line["id"]).lower() in used
        ]
        return max((float(one.get("drainTimeoutInSec") or 0) for one in draining if one.get("enabled")), default=0.0)

    @property
    def taken_out(self) -> dict[str, float]:
        """Machine -> when it was taken out, in seconds since the epoch."""
        found = {}
        for line in tags.read(self.document).get(tags.DRAINING, "").split():
            identity, _, moment = line.partition("=")
            if moment.isdigit():
                found[identity] = float(moment)
        return found

    def changed(self, addresses: Iterable[str], taken_out: Mapping[str, float]) -> Json:
        """Return the document with these addresses in the pool, and these machines taken out."""
        document = copy.deepcopy(self.document)
        pool = pool_named(HTTP, document["properties"]["backendAddressPools"], self.name)
        pool["properties"]["backendAddresses"] = [{"ipAddress": one} for one in addresses]
        newest = sorted(taken_out.items(), key=lambda item: item[1])[-KEPT:]
        found = tags.read(document) | {tags.DRAINING: " ".join(f"{name}={moment:.0f}" for name, moment in newest)}
        document["tags"] = {name: value for name, value in found.items() if value}
        return document


def write(caller: Caller, gateway: Gateway, document: Json) -> None:
    """Write a gateway and wait until it has taken that over: minutes on the real cloud.

    Raises:
        Conflict: somebody else changed it since it was read, or replaced this update by another one.
    """
    etag = gateway.document.get("etag")
    caller.finish(
        "network",
        "application_gateways.begin_create_or_update",
        caller.group,
        gateway.name,
        document,
        **({"headers": {"If-Match": etag}} if etag else {}),
    )


def health(caller: Caller, gateway: Gateway) -> dict[str, tuple[str, str]]:
    """Return address -> (health, why) of everything in the pool that the gateway really sends requests to."""
    answer = caller.finish("network", "application_gateways.begin_backend_health", caller.group, gateway.name)
    wanted, found = str(gateway.pool["id"]).lower(), {}
    for pool in answer.get("backendAddressPools") or ():
        if str((pool.get("backendAddressPool") or {}).get("id", "")).lower() != wanted:
            continue
        for setting in pool.get("backendHttpSettingsCollection") or ():
            for server in setting.get("servers") or ():
                found[str(server["address"])] = (str(server.get("health")), str(server.get("healthProbeLog") or ""))
    return found


def pool_named(name: str, pools: list[Json], where: str) -> Json:
    """Return the pool of that name, or the only one.

    Raises:
        Unexpected: there are none, or several and none of that name.
    """
    found = [pool for pool in pools if pool.get("name") == name] or pools
    if len(found) != 1:
        names = ", ".join(str(pool.get("name")) for pool in pools) or "none"
        raise Unexpected(f"{where} has the pools {names}; one called {name} is needed")
    return found[0]
