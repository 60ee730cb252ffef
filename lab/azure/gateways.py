"""Application gateways: written as a whole, taken over after a while, and asked for the health behind them.

A PUT while another one is under way cancels that one, as Azure does; the operation that was cancelled says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lab.azure import errors
from lab.azure.backends import Backend
from lab.azure.inline import BUSY, NETWORK_VERSIONS, name_children
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Json
from lab.azure.operations import Steps
from lab.azure.paths import key
from lab.azure.resources import Resource

GATEWAY = "Microsoft.Network/applicationGateways"
POOLS, SETTINGS, RULES = "backendAddressPools", "backendHttpSettingsCollection", "requestRoutingRules"
LISTS = (
    "gatewayIPConfigurations", "frontendIPConfigurations", "frontendPorts", "sslCertificates", POOLS, SETTINGS,
    "httpListeners", "urlPathMaps", RULES, "probes", "redirectConfigurations", "rewriteRuleSets",
)  # fmt: skip
REFERENCES = {
    "httpListeners": ("frontendIPConfiguration", "frontendPort"),
    RULES: ("httpListener", "backendAddressPool", "backendHttpSettings"),
    SETTINGS: ("probe",),
}
"""List -> what its parts refer to in the same gateway."""


@dataclass(slots=True)
class Gateways(Kind):
    """Application gateways."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS
    located: ClassVar[bool] = True
    tagged_body: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False
    supersedes: ClassVar[bool] = True
    busy: ClassVar[str] = BUSY
    hidden: ClassVar[tuple[tuple[str, ...], ...]] = (("properties", "lab"),)

    def check_idle(self, resource: Resource) -> None:
        """Let a PUT cancel the one before it; a gateway that is being deleted takes none."""
        if resource.state == "Deleting":
            Kind.check_idle(self, resource)

    def accept(self, change: Change) -> Json:
        """Check what it is made of, and give its parts their ids."""
        document = Kind.accept(self, change)
        properties = document.setdefault("properties", {})
        for part in ("gatewayIPConfigurations", "frontendIPConfigurations", "frontendPorts", POOLS, RULES):
            if not properties.get(part):
                raise errors.invalid(f"Application Gateway needs at least one of {part}.", "InvalidRequestFormat")
        name_children(change.target.path, properties, LISTS)
        self._check_references(properties)
        properties["operationalState"] = "Running"
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - the document says it all
        """Take the pools over once the gateway's own machines have changed."""
        yield self.world.after(self.world.timings.gateway)
        for pool in resource.properties[POOLS]:
            self.world.backends.take_over(pool["id"], addresses_of(pool), self.drain(resource, pool["id"]))
        return None

    def check_removal(self, resource: Resource) -> None:
        """Refuse while it changes."""
        Kind.check_idle(self, resource)

    def remove(self, resource: Resource) -> Steps:
        """Take its pools away."""
        yield self.world.after(self.world.timings.gateway)
        self.world.backends.forget(resource.id)
        return None

    def act(self, act: Act) -> Steps:
        """Tell the health of what stands behind it, start or stop."""
        if act.action in {"backendhealth", "getbackendhealthondemand"}:
            return self._health(act.resource)
        if act.action not in {"start", "stop"}:
            raise errors.no_action(self.name, act.action)
        Kind.check_idle(self, act.resource)
        return self._power(act.resource, "Running" if act.action == "start" else "Stopped")

    def drain(self, resource: Resource, pool: str) -> float:
        """Return the longest draining time among the settings that rules give a pool, in seconds."""
        chosen = {
            key(rule["properties"]["backendHttpSettings"]["id"])
            for rule in resource.properties[RULES]
            if key((rule["properties"].get("backendAddressPool") or {}).get("id", "")) == key(pool)
        }
        found = [0.0]
        for line in resource.properties.get(SETTINGS) or []:
            draining = line["properties"].get("connectionDraining") or {}
            if draining.get("enabled") and key(line["id"]) in chosen:
                found.append(float(draining.get("drainTimeoutInSec", 1)))
        return max(found)

    # --- inner workings ------------------------------------------------------------------------------------------

    def _check_references(self, properties: Json) -> None:
        known = {key(line["id"]) for part in LISTS for line in properties.get(part) or []}
        for part, names in REFERENCES.items():
            for line in properties.get(part) or []:
                for name in names:
                    wanted = (line["properties"].get(name) or {}).get("id")
                    if wanted and key(wanted) not in known:
                        message = f"Resource {wanted} referenced by resource {line['id']} was not found."
                        raise errors.invalid(message, "InvalidResourceReference")

    def _power(self, resource: Resource, state: str) -> Steps:
        resource.state = "Updating"
        yield self.world.after(self.world.timings.gateway)
        resource.properties["operationalState"] = state
        resource.state = "Succeeded"
        return None

    def _health(self, resource: Resource) -> Steps:
        yield self.world.after(self.world.timings.gateway_health)
        settings = [line["id"] for line in resource.properties.get(SETTINGS) or []]
        return {"backendAddressPools": [self._pool(pool["id"], settings) for pool in resource.properties[POOLS]]}

    def _pool(self, pool: str, settings: list[str]) -> Json:
        known = self.world.backends.pools.get(key(pool), {})
        servers = [_server(backend) for backend in known.values() if not backend.draining]
        lines = [{"backendHttpSettings": {"id": one}, "servers": servers} for one in settings]
        return {"backendAddressPool": {"id": pool}, "backendHttpSettingsCollection": lines}


def addresses_of(pool: Mapping[str, Json]) -> list[str]:
    """Return the addresses that a pool's description names."""
    lines = pool["properties"].get("backendAddresses") or []
    return [str(line.get("ipAddress") or line.get("fqdn")) for line in lines]


def _server(backend: Backend) -> Json:
    state = {True: "Healthy", False: "Unhealthy", None: "Unknown"}[backend.healthy]
    log = "Success. Received 200 status code" if backend.healthy else backend.reason
    return {"address": backend.address, "health": state, "healthProbeLog": log}
