"""What an application gateway is made of: fronts, listeners, rules, probe and pool, which refer to each other by id."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components.azure.place import Place
from components.flows import HTTP
from components.spec import FrontSpec

GATEWAY = "Microsoft.Network/applicationGateways"
REQUEST_TIMEOUT = 3600
"""Seconds. A large clone or push can be silent for long while the server works."""
COOKIE = "AZURESESSIONID"
TLS_POLICY = "AppGwSslPolicy20220101"
UNHEALTHY_AFTER, LONGEST_CHECK = 3, 5
FEWEST, MOST = 2, 10
"""Instances of the gateway itself."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """An application gateway of the second generation, before it is declared."""

    spec: FrontSpec
    where: Place
    name: str
    address_id: pulumi.Output[str]
    subnet_id: pulumi.Output[str]
    private_address: str | None
    """Where an internal gateway listens; None for a public one."""
    pool: str
    members: pulumi.Output[Any]
    """Addresses in the pool."""

    def inputs(self) -> dict[str, Any]:
        """Return the inputs of the resource."""
        tier = "WAF_v2" if self.spec.web_application_firewall else "Standard_v2"
        return {
            "sku": {"name": tier, "tier": tier},
            "autoscale_configuration": {"min_capacity": FEWEST, "max_capacity": MOST},
            # A gateway ends a stream of HTTP/2 after three silent minutes, and nobody can tell it otherwise.
            "enable_http2": False,
            "gateway_ip_configurations": [{"name": "gateway", "subnet": {"id": self.subnet_id}}],
            "frontend_ip_configurations": self._fronts(),
            "frontend_ports": [{"name": f"port-{port}", "port": port} for port in self._ports()],
            "backend_address_pools": [{"name": self.pool, "backend_addresses": self.members}],
            "backend_http_settings_collection": [self._settings()],
            "probes": [self._probe()],
            "http_listeners": [self._listener(port) for port in self._ports()],
            "request_routing_rules": [self._rule(port) for port in self._ports()],
            **self._encrypted(),
        }

    def _ports(self) -> tuple[int, ...]:
        return (80,) if self.spec.certificate is None else (80, 443)

    def _own(self, part: str, called: str) -> dict[str, pulumi.Output[str]]:
        return {"id": self.where.id(GATEWAY, self.name, part, called)}

    def _fronts(self) -> list[dict[str, Any]]:
        """Azure runs no gateway without a public address; an internal one does not listen there."""
        public = {"name": "public", "public_ip_address": {"id": self.address_id}}
        if self.private_address is None:
            return [public]
        private = {
            "name": "private",
            "private_ip_allocation_method": "Static",
            "private_ip_address": self.private_address,
            "subnet": {"id": self.subnet_id},
        }
        return [public, private]

    def _settings(self) -> dict[str, Any]:
        delay = self.spec.deregistration_delay
        draining = (
            {"enabled": True, "drain_timeout_in_sec": delay} if delay else {"enabled": False, "drain_timeout_in_sec": 1}
        )
        return {
            "name": "nodes",
            "port": HTTP,
            "protocol": "Http",
            "cookie_based_affinity": "Enabled",
            "affinity_cookie_name": COOKIE,
            "request_timeout": REQUEST_TIMEOUT,
            "connection_draining": draining,
            "probe": self._own("probes", "status"),
        }

    def _probe(self) -> dict[str, Any]:
        interval = self.spec.health_check_interval
        return {
            "name": "status",
            "protocol": "Http",
            "host": "127.0.0.1",
            "path": "/status",
            "interval": interval,
            "timeout": min(LONGEST_CHECK, interval - 1),
            "unhealthy_threshold": UNHEALTHY_AFTER,
            "match": {"status_codes": ["200-399"]},
        }

    def _listener(self, port: int) -> dict[str, Any]:
        front = "public" if self.private_address is None else "private"
        listener: dict[str, Any] = {
            "name": f"listener-{port}",
            "protocol": "Https" if port == 443 else "Http",
            "frontend_ip_configuration": self._own("frontendIPConfigurations", front),
            "frontend_port": self._own("frontendPorts", f"port-{port}"),
        }
        if port == 443:
            listener["ssl_certificate"] = self._own("sslCertificates", "certificate")
        return listener

    def _rule(self, port: int) -> dict[str, Any]:
        rule: dict[str, Any] = {
            "name": f"rule-{port}",
            "rule_type": "Basic",
            "priority": port,
            "http_listener": self._own("httpListeners", f"listener-{port}"),
        }
        if port == 80 and self.spec.certificate is not None:
            return {**rule, "redirect_configuration": self._own("redirectConfigurations", "to-https")}
        return {
            **rule,
            "backend_address_pool": self._own("backendAddressPools", self.pool),
            "backend_http_settings": self._own("backendHttpSettingsCollection", "nodes"),
        }

    def _encrypted(self) -> dict[str, Any]:
        """Return what HTTPS needs: the certificate, who may read it, and the way there from plain HTTP."""
        if self.spec.certificate is None:
            return {}
        redirect = {
            "name": "to-https",
            "redirect_type": "Permanent",
            "target_listener": self._own("httpListeners", "listener-443"),
            "include_path": True,
            "include_query_string": True,
        }
        return {
            "ssl_certificates": [{"name": "certificate", "key_vault_secret_id": self.spec.certificate}],
            "ssl_policy": {"policy_type": "Predefined", "policy_name": TLS_POLICY},
            "identity": {"type": "UserAssigned", "user_assigned_identities": [self.spec.certificate_identity]},
            "redirect_configurations": [redirect],
        }
