"""Load balancers of the fourth layer, as for Git over SSH: pools of addresses, each a resource of its own.

An address whose administrative state is Down gets no new connections, and the established ones persist. What becomes
of them when an address is removed is documented nowhere: here they are cut off at once, so nobody builds upon it.

Source: Microsoft, *Administrative State (Admin State) in Azure Load Balancer*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lab.azure import errors
from lab.azure.inline import BUSY, NETWORK_VERSIONS, Parent, name_children
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Json
from lab.azure.operations import Steps
from lab.azure.paths import key, parse
from lab.azure.resources import Resource

BALANCER = "Microsoft.Network/loadBalancers"
POOL = "Microsoft.Network/loadBalancers/backendAddressPools"
RULE = "Microsoft.Network/loadBalancers/loadBalancingRules"
LISTS = ("frontendIPConfigurations", "loadBalancingRules", "probes", "inboundNatRules", "outboundRules")
UNTOLD = 0.0
"""Seconds for which flows to a removed address go on."""
STATES = ("None", "Up", "Down")
"""Administrative states of an address; none is the first."""


@dataclass(slots=True)
class Balancers(Parent):
    """Load balancers."""

    inline: ClassVar[str] = "backendAddressPools"
    synchronous: ClassVar[bool] = False

    def accept(self, change: Change) -> Json:
        """Give its parts their ids."""
        document = Kind.accept(self, change)
        name_children(change.target.path, document.setdefault("properties", {}), LISTS)
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:
        """Make the pools, and the rules as resources that can be asked for the health behind them."""
        yield from Parent.apply(self, resource, change)
        self._forget_rules(resource)
        for line in resource.properties.get("loadBalancingRules") or []:
            self.world.resources.put(Resource(parse(line["id"]), {"properties": dict(line["properties"])}))
        return None

    def _forget_rules(self, resource: Resource) -> None:
        for rule in self.world.resources.below(f"{resource.id}/loadBalancingRules"):
            self.world.resources.remove(rule)

    def remove(self, resource: Resource) -> Steps:
        """Take its pools away."""
        self._forget_rules(resource)
        self.world.backends.forget(resource.id)
        yield self.world.after(self.world.timings.network)
        return None


@dataclass(slots=True)
class Pools(Kind):
    """Backend pools by address."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS
    tagged_body: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False
    busy: ClassVar[str] = BUSY

    def accept(self, change: Change) -> Json:
        """Refuse administrative states that there are not."""
        document = Kind.accept(self, change)
        for line in _lines(document.get("properties") or {}):
            if _state(line) not in STATES:
                raise errors.invalid(f"The value '{_state(line)}' of property 'adminState' is not one of {STATES}.")
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - the document says it all
        """Take the addresses over."""
        yield self.world.after(self.world.timings.network)
        states = {str(line["properties"]["ipAddress"]): _state(line) for line in _lines(resource.properties)}
        down = {address for address, state in states.items() if state == "Down"}
        self.world.backends.take_over(resource.id, states.keys() - down, UNTOLD, down=down)
        return None

    def remove(self, resource: Resource) -> Steps:
        """Let everything drain."""
        self.world.backends.take_over(resource.id, [], UNTOLD)
        yield self.world.after(self.world.timings.network)
        return None


@dataclass(slots=True)
class Rules(Kind):
    """Rules of a load balancer, to be asked for the health of the addresses behind them."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS

    def act(self, act: Act) -> Steps:
        """Tell the health by address."""
        if act.action != "health":
            raise errors.no_action(self.name, act.action)
        return self._health(act.resource)

    def _health(self, rule: Resource) -> Steps:
        yield self.world.after(self.world.timings.gateway_health)
        pool = (rule.properties.get("backendAddressPool") or {}).get("id", "")
        found = self.world.backends.pools.get(key(pool), {}).values()
        known = {one.address: bool(one.healthy) and not one.down for one in found if one.down or not one.draining}
        lines = [{"ipAddress": address, "state": "Up" if up else "Down"} for address, up in known.items()]
        up = sum(known.values())
        return {"up": up, "down": len(known) - up, "loadBalancerBackendAddresses": lines}


def _lines(properties: Json) -> list[Json]:
    found: list[Json] = properties.get("loadBalancerBackendAddresses") or []
    return found


def _state(line: Json) -> str:
    return str((line.get("properties") or {}).get("adminState") or STATES[0])
