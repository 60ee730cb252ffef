"""An estate in the lab's Azure, written as documents of Azure Resource Manager: what a stranger's script would send."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.pulumi.azure.client import Account, Arm
from lab.state import Record

COMPUTE, NETWORK, DATABASE = "2024-11-01", "2024-05-01", "2025-08-01"
IMAGE = {"publisher": "almalinux", "offer": "almalinux-x86_64", "sku": "9-gen2", "version": "latest"}
PLACE = "westeurope"


@dataclass
class Site:
    """One estate; addresses go into its pools with ``serve``."""

    arm: Arm
    group: str
    octet: int
    cluster: str
    model: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record) -> Site:
        values = record.variables
        account = Account(
            endpoint=values["AZURE_RESOURCE_MANAGER_ENDPOINT"],
            authority=values["AZURE_AUTHORITY_HOST"],
            tenant=values["AZURE_TENANT_ID"],
            client=values["AZURE_CLIENT_ID"],
            secret=values["AZURE_CLIENT_SECRET"],
            subscription=values["AZURE_SUBSCRIPTION_ID"],
            ca=values["REQUESTS_CA_BUNDLE"],
        )
        group = f"/subscriptions/{account.subscription}/resourceGroups/{values['BBDC_RESOURCE_GROUP']}"
        return cls(Arm(account, threading.Event()), group, record.octet, record.cluster)

    def put(self, kind: str, name: str, version: str, document: Mapping[str, Any]) -> str:
        place = f"{self.group}/providers/{kind}/{name}"
        self.arm.put(place, version, {"location": PLACE, **document}, 60)
        return place

    def build(self, version: str, nodes: int) -> None:
        self.arm.put(self.group, "2024-03-01", {"location": PLACE}, 10)
        prefix = f"127.{self.octet}"
        subnets = [{"name": "nodes", "properties": {"addressPrefix": f"{prefix}.1.0/24"}}]
        space = {"addressSpace": {"addressPrefixes": [f"{prefix}.0.0/16"]}, "subnets": subnets}
        net = self.put("Microsoft.Network/virtualNetworks", "net", NETWORK, {"properties": space})
        subnet = {"id": f"{net}/subnets/nodes"}
        server = self._files(subnet)
        database = {
            "administratorLogin": "bitbucket", "administratorLoginPassword": "hush", "version": "16",
            "storage": {"storageSizeGB": 32},
        }  # fmt: skip
        sku = {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}
        name = f"{self.cluster}-database"
        self.put("Microsoft.DBforPostgreSQL/flexibleServers", name, DATABASE, {"sku": sku, "properties": database})
        self._nodes(subnet, nodes, data(version, server, f"{name}.postgres.database.azure.com"))
        self.front(subnet, [])
        self.ssh([])

    def _files(self, subnet: Mapping[str, str]) -> str:
        """Make a file server with one data disk; return its address."""
        empty = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 8}
        disk = self.put("Microsoft.Compute/disks", "home", COMPUTE, {"properties": empty})
        data_disk = {"lun": 0, "createOption": "Attach", "managedDisk": {"id": disk}}
        line = {"name": "ip", "properties": {"subnet": subnet}}
        card = self.put(
            "Microsoft.Network/networkInterfaces", "files", NETWORK, {"properties": {"ipConfigurations": [line]}}
        )
        machine = {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "osProfile": {"computerName": "files", "adminUsername": "operator"},
            "storageProfile": {
                "imageReference": IMAGE, "dataDisks": [data_disk],
            },
            "networkProfile": {"networkInterfaces": [{"id": card}]},
        }  # fmt: skip
        tags = {"bitbucket-dc:cluster": self.cluster, "bitbucket-dc:role": "file-server"}
        self.put("Microsoft.Compute/virtualMachines", "files", COMPUTE, {"tags": tags, "properties": machine})
        found = self.arm.get(card, NETWORK)
        assert found is not None
        return str(found["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"])

    def _nodes(self, subnet: Mapping[str, str], count: int, custom: str) -> None:
        line = {"name": "ip", "properties": {"subnet": subnet}}
        card = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [line]}}
        profile = {
            "osProfile": {"computerNamePrefix": "bb", "customData": custom},
            "storageProfile": {"imageReference": IMAGE, "osDisk": {"createOption": "FromImage"}},
            "networkProfile": {"networkInterfaceConfigurations": [card]},
        }
        self.model = {
            "location": PLACE,
            "zones": ["1", "2", "3"],
            "tags": {"bitbucket-dc:cluster": self.cluster, "bitbucket-dc:role": "node"},
            "sku": {"name": "Standard_D4s_v5", "tier": "Standard", "capacity": count},
            "properties": {"upgradePolicy": {"mode": "Manual"}, "virtualMachineProfile": profile},
        }
        self.put("Microsoft.Compute/virtualMachineScaleSets", "nodes", COMPUTE, self.model)

    def front(self, subnet: Mapping[str, str] | None, addresses: Sequence[str]) -> None:
        """Write the gateway, with these addresses behind it."""
        place = f"{self.group}/providers/Microsoft.Network/applicationGateways/front"

        def part(kind: str, name: str = "http") -> dict[str, str]:
            return {"id": f"{place}/{kind}/{name}"}

        def named(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
            return [{"name": "http", "properties": dict(properties)}]

        subnet = subnet or {"id": f"{self.group}/providers/Microsoft.Network/virtualNetworks/net/subnets/nodes"}
        settings = {
            "port": 7990, "protocol": "Http", "cookieBasedAffinity": "Enabled", "requestTimeout": 60,
            "probe": part("probes"), "connectionDraining": {"enabled": True, "drainTimeoutInSec": 2},
        }  # fmt: skip
        listener = {"frontendIPConfiguration": part("frontendIPConfigurations"), "frontendPort": part("frontendPorts")}
        rule = {
            "priority": 1, "httpListener": part("httpListeners"), "backendAddressPool": part("backendAddressPools"),
            "backendHttpSettings": part("backendHttpSettingsCollection"),
        }  # fmt: skip
        probe = {"protocol": "Http", "path": "/status", "interval": 5, "timeout": 5, "unhealthyThreshold": 2}
        found = {
            "gatewayIPConfigurations": named({"subnet": subnet}),
            "frontendIPConfigurations": named({}),
            "frontendPorts": named({"port": 80}),
            "probes": named(probe),
            "backendAddressPools": named({"backendAddresses": [{"ipAddress": one} for one in addresses]}),
            "backendHttpSettingsCollection": named(settings),
            "httpListeners": named(listener),
            "requestRoutingRules": named(rule),
        }
        self.put("Microsoft.Network/applicationGateways", "front", NETWORK, {"properties": found})

    def ssh(self, addresses: Sequence[str]) -> None:
        """Write the balancer for SSH, with these addresses behind it."""
        place = f"{self.group}/providers/Microsoft.Network/loadBalancers/ssh"
        lines = [{"name": one, "properties": {"ipAddress": one}} for one in addresses]
        rule = {
            "frontendPort": 7999, "backendPort": 7999, "protocol": "Tcp", "probe": {"id": f"{place}/probes/git"},
            "backendAddressPool": {"id": f"{place}/backendAddressPools/ssh"},
        }  # fmt: skip
        probe = {"protocol": "Tcp", "port": 7999, "intervalInSeconds": 5, "numberOfProbes": 2}
        found = {
            "backendAddressPools": [{"name": "ssh", "properties": {"loadBalancerBackendAddresses": lines}}],
            "loadBalancingRules": [{"name": "git", "properties": rule}],
            "probes": [{"name": "git", "properties": probe}],
        }
        self.put("Microsoft.Network/loadBalancers", "ssh", NETWORK, {"properties": found})

    def serve(self, addresses: Sequence[str]) -> None:
        """Let these addresses get requests, over HTTP and SSH."""
        self.front(None, addresses)
        self.ssh(addresses)


def data(version: str, server: str, database: str) -> str:
    """Return custom data as the estate's own start-up script begins."""
    lines = {"BITBUCKET_VERSION": version, "SHARED_HOME_SERVER": server, "DATABASE_HOST": database}
    return base64.b64encode("".join(f"{name}='{value}'\n" for name, value in lines.items()).encode()).decode()
