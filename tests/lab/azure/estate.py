"""What the tests stand on: a network, a scale set of nodes, a file server."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import ManualClock
from lab.azure.world import GROUP, AzureWorld
from lab.data.storage import DirectoryStorage

WAIT = {"polling_interval": 1}
"""For operations that a test waits for. The SDKs poll in a thread of their own, which moves the virtual clock: a test
that looks at what is under way says ``polling=False`` and lets time pass with ``settle``."""
IMAGE = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server", "version": "latest"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@dataclass(slots=True)
class Estate:
    """One world with its clients; everything in the group ``bitbucket``."""

    world: AzureWorld
    clients: Clients
    clock: ManualClock
    machines: PlainMachines
    storage: DirectoryStorage
    subnet: str = ""

    def network(self, prefix: str = "10.0.0.0/24") -> str:
        body = {
            "location": "westeurope",
            "properties": {
                "addressSpace": {"addressPrefixes": [prefix]},
                "subnets": [{"name": "nodes", "properties": {"addressPrefix": prefix}}],
            },
        }
        made = self.clients.network.virtual_networks.begin_create_or_update(GROUP, "net", body, **WAIT).result()
        self.subnet = made.subnets[0].id
        return self.subnet

    def model(self, version: str = "7.9.0", capacity: int = 3, **more: Any) -> dict[str, Any]:
        address = {"name": "ip", "properties": {"subnet": {"id": self.subnet}}}
        card = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [address]}}
        return {
            "location": "westeurope",
            "tags": {"bitbucket-dc:role": "node"},
            "sku": {"name": "Standard_D4s_v5", "tier": "Standard", "capacity": capacity},
            "zones": ["1", "2", "3"],
            "properties": {
                "upgradePolicy": {"mode": "Manual"},
                "virtualMachineProfile": {
                    "osProfile": {"computerNamePrefix": "bb", "customData": encoded(f"BITBUCKET_VERSION={version}\n")},
                    "storageProfile": {"imageReference": IMAGE, "osDisk": {"createOption": "FromImage"}},
                    "networkProfile": {"networkInterfaceConfigurations": [card]},
                },
            },
        } | more

    def scale_set(self, name: str, **options: Any) -> Any:
        return self.sets.begin_create_or_update(GROUP, name, self.model(**options), **WAIT).result()

    def settle(self, seconds: int = 30) -> None:
        """Let virtual time pass, a second at a time."""
        for _ in range(seconds):
            self.clock.advance(1)
            with self.world.lock:
                self.world.advance()

    # --- without a client ----------------------------------------------------------------------------------------

    def call(
        self, method: str, path: str, body: Any = None, *, content: bytes | None = None, token: str | None = None
    ) -> httpx.Response:
        """Send a request to the resource manager as anybody could."""
        url = path if path.startswith("https://") else f"{self.world.url}{path}"
        if "?" not in url:
            url += "?api-version=2024-07-01"
        bearer = self._token() if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        sent = {"content": content} if content is not None else {} if body is None else {"json": body}
        with httpx.Client(verify=self._trust(), headers=headers) as client:
            return client.request(method, url, **sent)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that has to succeed; return the answer's body."""
        answer = self.call(method, path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def _token(self) -> str:
        return str(self.clients.credential.get_token("https://management.azure.com/.default").token)

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.world.certificates.authority))

    # --- with one ------------------------------------------------------------------------------------------------

    @property
    def sets(self) -> Any:
        return self.clients.compute.virtual_machine_scale_sets

    @property
    def members(self) -> Any:
        return self.clients.compute.virtual_machine_scale_set_vms

    def ids(self, name: str) -> list[str]:
        return [one.instance_id for one in self.members.list(GROUP, name)]

    def disk(self, name: str, **properties: Any) -> Any:
        inner = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 8} | properties
        body = {"location": "westeurope", "zones": ["1"], "properties": inner}
        return self.clients.compute.disks.begin_create_or_update(GROUP, name, body, **WAIT).result()

    def find(self, kind: str, name: str) -> Any:
        """Return a resource of the world, with what its kind knows of it."""
        place = f"/subscriptions/{self.world.subscription}/resourceGroups/{GROUP}/providers/{kind}/{name}"
        return self.world.resources.get(place)

    def content(self, disk: str) -> Path:
        """Return the directory that a disk's content is in."""
        return self.storage.volumes.path(self.find("Microsoft.Compute/disks", disk).own.name)

    def file_server(self, name: str = "files", disks: tuple[str, ...] = ("home", "mesh")) -> Any:
        """A file server with data disks, made before it."""
        address = {"name": "ip", "properties": {"subnet": {"id": self.subnet}}}
        card = {"location": "westeurope", "properties": {"ipConfigurations": [address]}}
        nic = self.clients.network.network_interfaces.begin_create_or_update(GROUP, name, card, **WAIT).result()
        lines = [
            {"lun": lun, "createOption": "Attach", "managedDisk": {"id": self.disk(disk).id}}
            for lun, disk in enumerate(disks)
        ]
        body = {
            "location": "westeurope",
            "zones": ["1"],
            "tags": {"bitbucket-dc:role": "file-server"},
            "properties": {
                "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
                "osProfile": {"computerName": name, "adminUsername": "lab"},
                "storageProfile": {"imageReference": IMAGE, "dataDisks": lines},
                "networkProfile": {"networkInterfaces": [{"id": nic.id}]},
            },
        }
        return self.clients.compute.virtual_machines.begin_create_or_update(GROUP, name, body, **WAIT).result()
