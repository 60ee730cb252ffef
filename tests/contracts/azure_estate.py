"""A cluster on the lab's Azure as the components make it: network, scale set, gateway, load balancer, autoscale."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import ManualClock
from lab.azure.world import GROUP, AzureWorld

CLUSTER = "bitbucket-dc-lab"
SET, GATEWAY, BALANCER = f"{CLUSTER}-nodes", f"{CLUSTER}-gateway", f"{CLUSTER}-ssh"
WAIT = {"polling_interval": 1}
DRAIN = 4
"""Seconds for which connections drain, HTTP and SSH."""
TAGS = {"bitbucket-dc:cluster": CLUSTER}
IMAGE = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}


def script(version: str) -> str:
    return base64.b64encode(f"#!/bin/sh\nBITBUCKET_VERSION='{version}'\n".encode()).decode()


@dataclass
class AzureEstate:
    """One cluster; what tests do to it goes through the SDKs' own clients."""

    world: AzureWorld
    clients: Clients
    clock: ManualClock
    machines: PlainMachines
    subnet: str = ""

    def build(self, *, version: str = "7.9.0", nodes: int = 3) -> None:
        """Make everything; the pools stay empty, as after the program has run."""
        self._network()
        self.sets.begin_create_or_update(GROUP, SET, self.model(version, nodes), **WAIT).result()
        gateways = self.clients.network.application_gateways
        gateways.begin_create_or_update(GROUP, GATEWAY, self.gateway(), **WAIT).result()
        balancers = self.clients.network.load_balancers
        balancers.begin_create_or_update(GROUP, BALANCER, self.balancer(), **WAIT).result()
        self._autoscale(nodes, nodes + 1)

    @property
    def sets(self) -> Any:
        return self.clients.compute.virtual_machine_scale_sets

    @property
    def members(self) -> Any:
        return self.clients.compute.virtual_machine_scale_set_vms

    def id(self, kind: str, name: str) -> str:
        return f"/subscriptions/{self.world.subscription}/resourceGroups/{GROUP}/providers/{kind}/{name}"

    def set_version(self, version: str) -> None:
        """Change the model as a Pulumi program does."""
        change = {
            "tags": self._tags(version),
            "properties": {"virtualMachineProfile": {"userData": script(version)}},
        }
        self.sets.begin_update(GROUP, SET, change, **WAIT).result()

    def model(self, version: str, nodes: int) -> dict[str, Any]:
        address = {"name": "ip", "properties": {"subnet": {"id": self.subnet}}}
        card = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [address]}}
        return {
            "location": "westeurope",
            "tags": self._tags(version),
            "sku": {"name": "Standard_D4s_v5", "tier": "Standard", "capacity": nodes},
            "zones": ["1", "2", "3"],
            "properties": {
                "upgradePolicy": {"mode": "Manual"},
                "overprovision": False,
                "virtualMachineProfile": {
                    "osProfile": {"computerNamePrefix": "bb"},
                    "userData": script(version),
                    "storageProfile": {"imageReference": IMAGE, "osDisk": {"createOption": "FromImage"}},
                    "networkProfile": {"networkInterfaceConfigurations": [card]},
                },
            },
        }

    def gateway(self) -> dict[str, Any]:
        place = self.id("Microsoft.Network/applicationGateways", GATEWAY)

        def at(part: str, one: str) -> dict[str, str]:
            return {"id": f"{place}/{part}/{one}"}

        settings = {"port": 7990, "protocol": "Http", "probe": at("probes", "status")} | {
            "connectionDraining": {"enabled": True, "drainTimeoutInSec": DRAIN}
        }
        listener = {
            "frontendIPConfiguration": at("frontendIPConfigurations", "front"),
            "frontendPort": at("frontendPorts", "http"),
        }
        rule = {
            "priority": 100,
            "httpListener": at("httpListeners", "http"),
            "backendAddressPool": at("backendAddressPools", "http"),
            "backendHttpSettings": at("backendHttpSettingsCollection", "http"),
        }
        probe = {"protocol": "Http", "path": "/status", "interval": 5, "timeout": 5, "unhealthyThreshold": 2}
        return {
            "location": "westeurope",
            "tags": TAGS,
            "properties": {
                "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
                "gatewayIPConfigurations": [{"name": "ip", "properties": {"subnet": {"id": self.subnet}}}],
                "frontendIPConfigurations": [{"name": "front", "properties": {}}],
                "frontendPorts": [{"name": "http", "properties": {"port": 80}}],
                "backendAddressPools": [{"name": "http", "properties": {"backendAddresses": []}}],
                "backendHttpSettingsCollection": [{"name": "http", "properties": settings}],
                "httpListeners": [{"name": "http", "properties": listener}],
                "probes": [{"name": "status", "properties": probe}],
                "requestRoutingRules": [{"name": "all", "properties": rule}],
            },
        }

    def balancer(self) -> dict[str, Any]:
        place = self.id("Microsoft.Network/loadBalancers", BALANCER)
        rule = {
            "protocol": "Tcp",
            "frontendPort": 7999,
            "backendPort": 7999,
            "idleTimeoutInMinutes": 4,
            "frontendIPConfiguration": {"id": f"{place}/frontendIPConfigurations/front"},
            "backendAddressPool": {"id": f"{place}/backendAddressPools/ssh"},
            "probe": {"id": f"{place}/probes/ssh"},
        }
        return {
            "location": "westeurope",
            "sku": {"name": "Standard"},
            "tags": TAGS | {"bitbucket-dc:draining-time": str(DRAIN)},
            "properties": {
                "frontendIPConfigurations": [{"name": "front", "properties": {}}],
                "backendAddressPools": [{"name": "ssh", "properties": {"loadBalancerBackendAddresses": []}}],
                "probes": [{"name": "ssh", "properties": {"protocol": "Tcp", "port": 7999, "intervalInSeconds": 5}}],
                "loadBalancingRules": [{"name": "ssh", "properties": rule}],
            },
        }

    def _network(self) -> None:
        prefix = "10.0.0.0/24"
        subnet = {"name": "nodes", "properties": {"addressPrefix": prefix}}
        properties = {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": [subnet]}
        body = {"location": "westeurope", "properties": properties}
        networks = self.clients.network.virtual_networks
        self.subnet = networks.begin_create_or_update(GROUP, "net", body, **WAIT).result().subnets[0].id

    def _autoscale(self, minimum: int, maximum: int) -> None:
        capacity = {"minimum": str(minimum), "maximum": str(maximum), "default": str(minimum)}
        place = self.id("Microsoft.Insights/autoscaleSettings", f"{CLUSTER}-autoscale")
        properties = {
            "enabled": True,
            "targetResourceUri": self.id("Microsoft.Compute/virtualMachineScaleSets", SET),
            "profiles": [{"name": "nodes", "capacity": capacity, "rules": []}],
        }
        body = {"location": "westeurope", "tags": TAGS, "properties": properties}
        self.send("PUT", f"{place}?api-version=2022-10-01", body)

    def send(self, method: str, path: str, body: Any) -> Any:
        """Send a request that has to succeed through a client's own pipeline."""
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - for this alone

        answer = self.clients.compute.send_request(HttpRequest(method, f"{self.world.url}{path}", json=body))
        answer.raise_for_status()
        return answer.json()

    @staticmethod
    def _tags(version: str) -> dict[str, str]:
        return TAGS | {"bitbucket-dc:role": "node", "bitbucket-dc:version": version}
