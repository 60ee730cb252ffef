"""What a bench adds to a lab's estate on Azure through the cloud's own API, as an administrator would."""

from __future__ import annotations

import os
from typing import Any

from azure.identity import EnvironmentCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

from bench.ground import MESH_DISK

Json = dict[str, Any]


def add_mesh(cluster: str, nodes: int) -> list[str]:
    """Start machines as Mesh nodes have, each with a data disk of its own; return the disks' ids.

    Which Azure, and who asks, stands in the environment.
    """
    compute, network, group = _clients()
    with compute, network:
        home = _file_server(compute, network, group, cluster)
        return [_mesh_node(compute, network, group, home, f"{cluster}-mesh-{number}") for number in range(nodes)]


def _clients() -> tuple[ComputeManagementClient, NetworkManagementClient, str]:
    # The lab's authority is none that Microsoft knows.
    who = EnvironmentCredential(disable_instance_discovery=True)
    place, own = os.environ["AZURE_SUBSCRIPTION_ID"], {"base_url": os.environ["AZURE_RESOURCE_MANAGER_ENDPOINT"]}
    compute = ComputeManagementClient(who, place, **own, polling_interval=1)
    return compute, NetworkManagementClient(who, place, **own, polling_interval=1), os.environ["BBDC_RESOURCE_GROUP"]


def _file_server(compute: ComputeManagementClient, network: NetworkManagementClient, group: str, cluster: str) -> Json:
    """Return the file server's machine, disk, network card and tags: a Mesh node is made like it."""
    wanted = {"bitbucket-dc:cluster": cluster, "bitbucket-dc:role": "file-server"}
    machines = [one.as_dict() for one in compute.virtual_machines.list(group)]
    machine: Json = next(one for one in machines if wanted.items() <= one["tags"].items())
    disk = _name(machine["properties"]["storageProfile"]["dataDisks"][0]["managedDisk"]["id"])
    card = _name(machine["properties"]["networkProfile"]["networkInterfaces"][0]["id"])
    return {
        "machine": machine,
        "disk": compute.disks.get(group, disk).as_dict(),
        "card": network.network_interfaces.get(group, card).as_dict(),
        "tags": wanted,
    }


def _name(identity: str) -> str:
    return identity.rpartition("/")[2]


def _mesh_node(
    compute: ComputeManagementClient, network: NetworkManagementClient, group: str, home: Json, name: str
) -> str:
    tags = home["tags"] | {"bitbucket-dc:role": "mesh", "Name": name}
    disk = compute.disks.begin_create_or_update(group, f"{name}-data", _disk(home["disk"], tags)).result()
    card = network.network_interfaces.begin_create_or_update(group, name, _card(home["card"], tags)).result()
    machine = _machine(home["machine"], name, tags, disk=str(disk.id), card=str(card.id))
    compute.virtual_machines.begin_create_or_update(group, name, machine).result()
    return str(disk.id)


def _disk(like: Json, tags: Json) -> Json:
    """Return an empty disk of the same kind, under the same key."""
    properties = {
        "creationData": {"createOption": "Empty"},
        "diskSizeGB": MESH_DISK,
        "encryption": like["properties"]["encryption"],
    }
    same = {word: like[word] for word in ("location", "zones", "sku")}
    return same | {"tags": tags, "properties": properties}


def _card(like: Json, tags: Json) -> Json:
    """Return a network card in the same subnet."""
    subnet = like["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
    addresses = [{"name": "first", "properties": {"subnet": {"id": subnet}}}]
    return {"location": like["location"], "tags": tags, "properties": {"ipConfigurations": addresses}}


def _machine(like: Json, name: str, tags: Json, *, disk: str, card: str) -> Json:
    """Return a machine of the same size and image, with one data disk."""
    of = like["properties"]
    properties = {
        "hardwareProfile": of["hardwareProfile"],
        "osProfile": {"computerName": name, "adminUsername": "bbdc", "adminPassword": f"Bench-{os.urandom(12).hex()}"},
        "networkProfile": {"networkInterfaces": [{"id": card}]},
        "storageProfile": {
            "imageReference": of["storageProfile"]["imageReference"],
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
            "dataDisks": [{"lun": 0, "createOption": "Attach", "managedDisk": {"id": disk}}],
        },
    }
    return {"location": like["location"], "zones": like["zones"], "tags": tags, "properties": properties}
