"""The ways in: HTTPS through an application gateway, git over SSH through a load balancer.

Who stands behind them is the automation's: it adds and removes addresses, and every run sends what it finds there.
"""

import pulumi
from pulumi_azure_native import network as azure

from components.azure.gateway import Gateway
from components.azure.live import POOL_HTTP, POOL_SSH, Facts, Names
from components.azure.network import AzureNetwork, public_address
from components.azure.place import Place, unique
from components.flows import HTTP, SSH
from components.naming import DRAINING_TIME_TAG, Estate
from components.spec import FrontSpec
from components.tokens import type_token

IDLE_MINUTES = 60
"""A large clone or push can be silent for long while the server works."""
UNHEALTHY_AFTER, LEAST_INTERVAL = 2, 5
LABEL_LIMIT = 40


class AzureLoadBalancer(pulumi.ComponentResource):
    """The application gateway, the load balancer for SSH, and their addresses.

    A probe of /status is all they can do: Bitbucket answers 200 in maintenance and before its set-up too. The
    automation reads the body itself.
    """

    url: pulumi.Output[str]
    """URL that people use."""
    ssh_url: pulumi.Output[str]
    """URL of git over SSH."""
    target_group_arns: list[pulumi.Output[str]]
    """Ids of the backend pools: HTTP, SSH."""

    def __init__(
        self,
        name: str,
        spec: FrontSpec,
        estate: Estate,
        where: Place,
        *,
        network: AzureNetwork,
        names: Names,
        live: pulumi.Output[Facts],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AzureLoadBalancer"), name, {}, opts)
        self._name, self._spec, self._estate, self._where, self._network = name, spec, estate, where, network
        self._inside = pulumi.ResourceOptions(parent=self)
        self._names, self._live = names, live
        self._labels = {
            kind: pulumi.Output.concat(unique(where, estate.cluster, LABEL_LIMIT), f"-{kind}")
            for kind in ("http", "ssh")
        }
        self.http, self.ssh = self._gateway(), self._balancer()
        scheme = "http" if spec.certificate is None else "https"
        self.url = pulumi.Output.from_input(spec.base_url or pulumi.Output.concat(scheme, "://", self._host("http")))
        self.ssh_url = pulumi.Output.from_input(
            spec.ssh_base_url or pulumi.Output.concat("ssh://", self._host("ssh"), f":{SSH}")
        )
        self.target_group_arns = [
            pulumi.Output.concat(balancer.id, "/backendAddressPools/", pool)
            for balancer, pool in ((self.http, POOL_HTTP), (self.ssh, POOL_SSH))
        ]
        self.register_outputs({"url": self.url, "sshUrl": self.ssh_url})

    def _host(self, kind: str) -> pulumi.Output[str]:
        """Return the name, or inside a network the address, that a front answers at."""
        if self._spec.internal:
            return pulumi.Output.from_input(str(self._private(kind)))
        return pulumi.Output.concat(self._labels[kind], ".", self._where.location, ".cloudapp.azure.com")

    def _private(self, kind: str) -> str:
        subnets = self._network.subnets.public
        return str(subnets[0 if kind == "http" else 1][-6])

    def _address(self, kind: str) -> azure.PublicIPAddress:
        """Its name is what people's bookmarks and clones point at."""
        keep = pulumi.ResourceOptions(parent=self, protect=self._estate.protect_data)
        physical = f"{self._estate.cluster}-{kind}"
        label = self._labels[kind]
        return public_address(
            f"{self._name}-{kind}-address", physical, self._estate, self._where, inside=keep, label=label
        )

    def _gateway(self) -> azure.ApplicationGateway:
        child, spec, where, name = f"{self._name}-gateway", self._spec, self._where, self._names.gateway
        parts = Gateway(
            spec,
            where,
            name,
            address_id=self._address("http").id,
            subnet_id=self._network.subnet_ids["gateway"],
            private_address=self._private("http") if spec.internal else None,
            pool=POOL_HTTP,
            members=self._live.apply(lambda known: known.http),
        )
        return azure.ApplicationGateway(
            child,
            application_gateway_name=name,
            resource_group_name=where.group,
            location=where.location,
            zones=list(self._network.zones),
            # Beside the pools: what the automation has noted of nodes that it took out.
            tags=self._live.apply(lambda known: self._estate.tagged(child, **known.gateway_tags)),
            firewall_policy=self._firewall_policy(),
            **parts.inputs(),
            opts=pulumi.ResourceOptions(parent=self, custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m")),
        )

    def _firewall_policy(self) -> dict[str, pulumi.Output[str]] | None:
        if not self._spec.web_application_firewall:
            return None
        child = f"{self._name}-rules"
        policy = azure.WebApplicationFirewallPolicy(
            child,
            policy_name=f"{self._estate.cluster}-rules",
            resource_group_name=self._where.group,
            location=self._where.location,
            # A push is a request body of any size and any content.
            policy_settings={
                "state": "Enabled",
                "mode": "Prevention",
                "request_body_check": False,
                # Looking into bodies is one thing and limiting their size another, by default at 128 kB.
                "request_body_enforcement": False,
                "file_upload_enforcement": False,
            },
            managed_rules={"managed_rule_sets": [{"rule_set_type": "OWASP", "rule_set_version": "3.2"}]},
            tags=self._estate.tagged(child),
            opts=self._inside,
        )
        return {"id": policy.id}

    def _balancer(self) -> azure.LoadBalancer:
        child, spec, where, name = f"{self._name}-ssh", self._spec, self._where, self._names.balancer
        # Without a draining period: Azure refuses one to subscriptions that are not registered for that preview.
        pool = {"name": POOL_SSH, "load_balancer_backend_addresses": self._live.apply(lambda known: known.ssh)}
        return azure.LoadBalancer(
            child,
            load_balancer_name=name,
            resource_group_name=where.group,
            location=where.location,
            sku={"name": "Standard"},
            frontend_ip_configurations=[self._front()],
            backend_address_pools=[pool],
            probes=[
                {
                    "name": "status",
                    "protocol": "Http",
                    "port": HTTP,
                    "request_path": "/status",
                    "interval_in_seconds": max(LEAST_INTERVAL, spec.health_check_interval),
                    "number_of_probes": UNHEALTHY_AFTER,
                    "probe_threshold": UNHEALTHY_AFTER,
                }
            ],
            load_balancing_rules=[self._rule(name)],
            tags=self._estate.tagged(child, **{DRAINING_TIME_TAG: str(spec.ssh_deregistration_delay)}),
            opts=self._inside,
        )

    def _front(self) -> dict[str, object]:
        if not self._spec.internal:
            return {"name": "front", "public_ip_address": {"id": self._address("ssh").id}}
        return {
            "name": "front",
            "private_ip_allocation_method": "Static",
            "private_ip_address": self._private("ssh"),
            "subnet": {"id": self._network.subnet_ids["front"]},
            "zones": list(self._network.zones),
        }

    def _rule(self, name: str) -> dict[str, object]:
        def own(part: str, called: str) -> dict[str, pulumi.Output[str]]:
            return {"id": self._where.id("Microsoft.Network/loadBalancers", name, part, called)}

        return {
            "name": "ssh",
            "protocol": "Tcp",
            "frontend_port": SSH,
            "backend_port": SSH,
            "frontend_ip_configuration": own("frontendIPConfigurations", "front"),
            "backend_address_pool": own("backendAddressPools", POOL_SSH),
            "probe": own("probes", "status"),
            "idle_timeout_in_minutes": IDLE_MINUTES,
            "enable_tcp_reset": True,
            "disable_outbound_snat": True,
        }
