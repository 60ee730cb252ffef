"""The load balancer for Git over SSH: one pool of addresses, and the health of what is in it.

An address that is to get nothing new stays in the pool with the administrative state Down: it gets no new connections,
and established ones persist, which is documented for this state and not for an address that leaves the pool. A node
that comes back has the state None again. The state works only where every rule has a probe; elsewhere addresses leave
the pool.

Source: Microsoft, *Administrative State (Admin State) in Azure Load Balancer*.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.gateway import pool_named
from automation.adapters.azure.session import Caller

SSH = "ssh"
"""Name of the pool of nodes; a load balancer with one pool only may call it otherwise."""
DOWN, NONE = "Down", "None"
"""Administrative states of an address: no new connections, and as its probe says."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SshPool:
    """One reading of the pool."""

    balancer: Json
    """The load balancer, as Azure Resource Manager has it."""
    pool: Json
    """The pool, likewise."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses in the pool, those that are down included."""
        return tuple(_address(line) for line in self._lines)

    @property
    def serving(self) -> tuple[str, ...]:
        """Addresses that may get new connections."""
        return tuple(_address(line) for line in self._lines if line["properties"].get("adminState") != DOWN)

    @property
    def drain_seconds(self) -> float:
        """How long sessions to a machine that was taken out may go on.

        A load balancer ends none of them by itself: it is the tag ``bitbucket-dc:draining-time``, or else the rule's
        idle time-out, after which a silent flow is forgotten.
        """
        said = tags.read(self.balancer).get(tags.DRAINING_TIME, "")
        if said.isdigit():
            return float(said)
        rules = [rule["properties"] for rule in self.balancer["properties"].get("loadBalancingRules") or ()]
        return 60.0 * max((float(rule.get("idleTimeoutInMinutes") or 4) for rule in rules), default=4.0)

    def draining(self, address: str) -> Json:
        """Return the pool with an address that gets no new connections."""
        if not self._minds_states:
            return self._with([line for line in self._lines if _address(line) != address])
        return self._with([_in_state(line, DOWN) if _address(line) == address else line for line in self._lines])

    def only(self, addresses: Collection[str]) -> SshPool:
        """Return the pool with none but these of its addresses."""
        kept = [line for line in self._lines if _address(line) in addresses]
        return SshPool(self.balancer, self._with(kept))

    def including(self, address: str, network: str | None) -> Json:
        """Return the pool with an address that gets connections when its probe succeeds.

        A new one is in the virtual network of the others or in this one.
        """
        if address in self.addresses:
            return self._with([_in_state(line, NONE) if _address(line) == address else line for line in self._lines])
        known = next((n for line in self._lines if (n := line["properties"].get("virtualNetwork"))), None)
        place = known or ({"id": network} if network else None)
        inner = {"ipAddress": address} | ({"virtualNetwork": place} if place else {})
        return self._with([*self._lines, {"name": f"node-{address.replace('.', '-')}", "properties": inner}])

    @property
    def _minds_states(self) -> bool:
        """Whether administrative states work: every rule of the pool has a probe."""
        wanted = str(self.pool["id"]).lower()
        rules = [rule["properties"] for rule in self.balancer["properties"].get("loadBalancingRules") or ()]
        return all(rule.get("probe") for rule in rules if wanted in _pools_of(rule))

    @property
    def _lines(self) -> list[Json]:
        found: list[Json] = self.pool["properties"].get("loadBalancerBackendAddresses") or []
        return found

    def _with(self, lines: list[Json]) -> Json:
        document = copy.deepcopy(self.pool)
        document["properties"]["loadBalancerBackendAddresses"] = copy.deepcopy(lines)
        return document


def read(caller: Caller, balancer: Json) -> SshPool:
    """Read the pool of a load balancer."""
    name = str(balancer["name"])
    chosen = pool_named(SSH, balancer["properties"].get("backendAddressPools") or [], name)
    pool = caller.call("network", "load_balancer_backend_address_pools.get", caller.group, name, chosen["name"])
    return SshPool(balancer, pool)


def write(caller: Caller, pool: SshPool, document: Json) -> None:
    """Write the pool, and wait until that has happened.

    Raises:
        Conflict: somebody else changed it since it was read.
    """
    operation = "load_balancer_backend_address_pools.begin_create_or_update"
    etag = pool.pool.get("etag")
    caller.finish(
        "network",
        operation,
        caller.group,
        str(pool.balancer["name"]),
        str(pool.pool["name"]),
        document,
        **({"headers": {"If-Match": etag}} if etag else {}),
    )


def health(caller: Caller, pool: SshPool) -> dict[str, bool]:
    """Return address -> whether the probe of the pool's rule succeeds."""
    wanted = str(pool.pool["id"]).lower()
    found: dict[str, bool] = {}
    for rule in pool.balancer["properties"].get("loadBalancingRules") or ():
        if wanted not in _pools_of(rule["properties"]):
            continue
        answer = caller.finish(
            "network",
            "load_balancer_load_balancing_rules.begin_health",
            caller.group,
            str(pool.balancer["name"]),
            str(rule["name"]),
        )
        for line in answer.get("loadBalancerBackendAddresses") or ():
            found[str(line.get("ipAddress"))] = str(line.get("state")).lower() == "up"
    return found


def _pools_of(rule: Json) -> set[str]:
    several = rule.get("backendAddressPools") or []
    return {str(one.get("id", "")).lower() for one in (*several, rule.get("backendAddressPool") or {})}


def _address(line: Json) -> str:
    return str(line["properties"].get("ipAddress"))


def _in_state(line: Json, state: str) -> Json:
    return line | {"properties": line["properties"] | {"adminState": state}}
