"""The balancer's routing table, read off the application gateways and load balancers of the world.

It has the shape that lab.balancer parses. What becomes of requests that are open when a backend's draining time is over
is documented nowhere; here they are finished. They can be many: bound sessions send new ones until the last moment.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.azure.balancers import BALANCER
from lab.azure.gateways import GATEWAY, RULES, SETTINGS
from lab.azure.messages import Json
from lab.azure.paths import key, name_of
from lab.azure.resources import Resource
from lab.azure.world import AzureWorld
from lab.balancer.published import Published

CLUSTER = "bitbucket-dc:cluster"
"""Tag by which an estate's gateway and load balancer belong together."""
SESSION = {"cookie": None, "seconds": 86400.0, "name": "ApplicationGatewayAffinity", "while_draining": True}
"""Affinity by the gateway's own cookie; a removed backend goes on serving those it is bound to until it has drained.

Source: Microsoft, *Application Gateway HTTP settings configuration*: cookie-based affinity, connection draining.
"""
MATCHER, INTERVAL, TIMEOUT, HEALTHY, UNHEALTHY = "200-399", 30.0, 30.0, 1, 3
"""What is checked where nothing is declared: codes, seconds, and how many answers decide."""


class Routes(Published[AzureWorld]):
    """The table of a lab in Azure."""

    def rules(self) -> tuple[list[Json], list[Json]]:
        """Return the listeners and groups of all rules; one listener of a kind is served for each estate."""
        found = list(self._rules())
        listeners = {line["name"]: line for line, _ in found if line is not None}
        groups = {group["arn"]: group for _, group in found}
        return list(listeners.values()), list(groups.values())

    def _rules(self) -> Iterator[tuple[Json | None, Json]]:
        """Yield (listener, group) of every rule; no listener where there is no room for one."""
        for gateway in self.world.resources.of(GATEWAY):
            for rule in gateway.properties[RULES]:
                yield from self._http(gateway, rule["properties"])
        for balancer in self.world.resources.of(BALANCER):
            for rule in balancer.properties.get("loadBalancingRules") or []:
                yield from self._ssh(balancer, rule["properties"])

    def _http(self, gateway: Resource, rule: Json) -> Iterator[tuple[Json | None, Json]]:
        pool = (rule.get("backendAddressPool") or {}).get("id", "")
        settings = _part(gateway, SETTINGS, (rule.get("backendHttpSettings") or {}).get("id", ""))
        if key(pool) not in self.world.backends.pools or settings is None:
            return  # not taken over yet
        probe = _part(gateway, "probes", (settings.get("probe") or {}).get("id", ""))
        sticky = dict(SESSION) if settings.get("cookieBasedAffinity") == "Enabled" else None
        group = self._group(pool, "HTTP", int(settings["port"]), probe or {"path": "/"}) | {"stickiness": sticky}
        yield self._listener("http", gateway, pool, float(settings.get("requestTimeout", 20))), group

    def _ssh(self, balancer: Resource, rule: Json) -> Iterator[tuple[Json | None, Json]]:
        pool = (rule.get("backendAddressPool") or (rule.get("backendAddressPools") or [{}])[0]).get("id", "")
        if key(pool) not in self.world.backends.pools:
            return
        probe = _part(balancer, "probes", (rule.get("probe") or {}).get("id", ""))
        group = self._group(pool, "TCP", int(rule["backendPort"]), probe or {}) | {"cuts": True}
        yield self._listener("ssh", balancer, pool, 60.0 * float(rule.get("idleTimeoutInMinutes", 4))), group

    def _listener(self, kind: str, owner: Resource, pool: str, idle: float) -> Json | None:
        front = self.front(kind, owner.tags.get(CLUSTER, ""))
        protocol = "HTTP" if kind == "http" else "TCP"
        return None if front is None else {**front, "protocol": protocol, "group": pool, "idle_timeout": idle}

    def _group(self, pool: str, protocol: str, port: int, probe: Json) -> Json:
        targets = [
            {
                "id": backend.address,
                "host": backend.address,
                "port": port,
                "state": "draining" if backend.draining else "registered",
                "since": backend.since,
            }
            for backend in self.world.backends.pools[key(pool)].values()
        ]
        check = _health(probe, http=protocol == "HTTP")
        name = name_of(pool)
        return {
            "arn": pool,
            "name": name,
            "protocol": protocol,
            "stickiness": None,
            "cuts": False,
            "health": check,
            "targets": targets,
        }


def _part(resource: Resource, part: str, identity: str) -> Json | None:
    """Return the properties of a part of a gateway or balancer; None when there is no such part."""
    lines: list[Json] = resource.properties.get(part) or []
    return next((line["properties"] for line in lines if identity and key(line["id"]) == key(identity)), None)


def _health(probe: Json, *, http: bool) -> Json:
    codes = (probe.get("match") or {}).get("statusCodes") or [MATCHER]
    return {
        "path": str(probe.get("path") or probe.get("requestPath") or "/") if http else None,
        "port": int(probe["port"]) if probe.get("port") else None,
        "matcher": ",".join(codes) if http else None,
        "interval": float(probe.get("interval") or probe.get("intervalInSeconds") or INTERVAL),
        "timeout": float(probe.get("timeout") or TIMEOUT),
        "healthy": HEALTHY,
        "unhealthy": int(probe.get("unhealthyThreshold") or probe.get("numberOfProbes") or UNHEALTHY),
    }
