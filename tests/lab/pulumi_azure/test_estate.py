"""The whole estate on Azure through the engine's command line: made, unchanged, rolled and upgraded, swapped, gone."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.azure.clients import Clients
from lab.azure.world import AzureWorld
from lab.pulumi.azure.client import Account
from lab.pulumi.azure.server import serve
from tests.lab.pulumi_aws.project import Project

PROGRAM = """
import pulumi
from components.config import read
from components.estates import declare

program = read(pulumi.Config(), pulumi.get_stack())
cluster = declare("bitbucket", program, program.version)
for name, value in cluster.exports().items():
    pulumi.export(name, value)
"""
ESTATE = "estate"
"""Name of the cluster, and of the resource group that it makes."""
CONFIG = {
    "version": "7.9.0",
    "cloud": "azure",
    "name": ESTATE,
    "vpcCidr": "127.99.0.0/16",
    "insecureHttp": "true",
    "protectData": "false",
}
AFTER_A_ROLL = ["127.99.16.77", "127.99.16.78"]
"""Addresses that no run of the program has ever sent."""


@pytest.fixture
def project(tmp_path: Path, world: AzureWorld, account: Account) -> Iterator[Project]:
    server = serve(account)
    made = Project(tmp_path, {"endpoint": world.url, "port": 0}, PROGRAM)
    made.environment["PULUMI_DEBUG_PROVIDERS"] = f"azure-native:{server.port}"
    yield made
    server.stop()


@pytest.fixture
def azure(world: AzureWorld) -> Iterator[Clients]:
    clients = Clients(world)
    yield clients
    clients.close()


@pytest.mark.lab
def test_the_estate_from_nothing_to_nothing(project: Project, azure: Clients) -> None:
    project.pulumi("stack", "init", "lab")
    pairs = [word for key, value in CONFIG.items() for word in ("--plaintext", f"{key}={value}")]
    project.pulumi("config", "set-all", *pairs)
    project.pulumi("config", "set", "azure-native:location", "westeurope")
    project.pulumi("up", "--yes", "--skip-preview")
    project.pulumi("preview", "--expect-no-changes")
    project.pulumi("refresh", "--yes")
    project.pulumi("preview", "--expect-no-changes")
    _roll(azure)
    _update_after_a_roll(project, azure)
    _restore_and_back(project, azure)
    _destroy(project, azure)


def _roll(azure: Clients) -> None:
    """Leave behind what a roll leaves: other addresses, and here a surge node too, as in the middle of one."""
    gateway = azure.network.application_gateways.get(ESTATE, f"{ESTATE}-gateway")
    gateway.backend_address_pools[0].backend_addresses = [{"ipAddress": address} for address in AFTER_A_ROLL]
    azure.network.application_gateways.begin_create_or_update(ESTATE, gateway.name, gateway).result()
    pools = azure.network.load_balancer_backend_address_pools
    pool = pools.get(ESTATE, f"{ESTATE}-ssh", "ssh")
    network = f"/subscriptions/{azure.world.subscription}/resourceGroups/{ESTATE}/providers/Microsoft.Network"
    place = {"id": f"{network}/virtualNetworks/{ESTATE}-network"}
    pool.load_balancer_backend_addresses = [
        {"name": f"node-{address}", "properties": {"ipAddress": address, "virtualNetwork": place}}
        for address in AFTER_A_ROLL
    ]
    pools.begin_create_or_update(ESTATE, f"{ESTATE}-ssh", "ssh", pool).result()
    sets = azure.compute.virtual_machine_scale_sets
    sets.begin_update(ESTATE, f"{ESTATE}-nodes", {"sku": {"name": "Standard_D4s_v5", "capacity": 4}}).result()


def _update_after_a_roll(project: Project, azure: Clients) -> None:
    """Change each of the three resources: none puts back what was there before the roll, and no node moves by it."""
    before = _numbers(azure)
    assert len(before) == 4
    for key, value in {"version": "7.9.4", "healthCheckInterval": "7", "sshDeregistrationDelay": "20"}.items():
        project.pulumi("config", "set", "--plaintext", key, value)
    project.pulumi("up", "--yes", "--skip-preview")
    gateway = azure.network.application_gateways.get(ESTATE, f"{ESTATE}-gateway")
    assert gateway.probes[0].interval == 7
    assert [one.ip_address for one in gateway.backend_address_pools[0].backend_addresses] == AFTER_A_ROLL
    balancer = azure.network.load_balancers.get(ESTATE, f"{ESTATE}-ssh")
    assert balancer.probes[0].interval_in_seconds == 7
    addresses = balancer.backend_address_pools[0].load_balancer_backend_addresses
    assert [one.ip_address for one in addresses] == AFTER_A_ROLL
    group = azure.compute.virtual_machine_scale_sets.get(ESTATE, f"{ESTATE}-nodes")
    assert (group.sku.capacity, group.tags["bitbucket-dc:version"]) == (4, "7.9.4")
    assert _numbers(azure) == before
    project.pulumi("preview", "--expect-no-changes")


def _numbers(azure: Clients) -> set[str]:
    """Return the machines of the scale set, by what only a new machine changes."""
    return {vm.vm_id for vm in azure.compute.virtual_machine_scale_set_vms.list(ESTATE, f"{ESTATE}-nodes")}


def _restore_and_back(project: Project, azure: Clients) -> None:
    """Data of a backup beside the first, in use, and the first again."""
    before = _in_use(project, azure)
    first = str(before["database"])
    _set(project, active="march", **_backup(azure, before["disk"], first))
    march = _in_use(project, azure)
    assert march.pop("machine") != before.pop("machine")  # a disk is not torn away from a running machine
    assert march == {
        "database": first.replace("-database-", "-database-march-"),
        "disk": before["disk"] + "-march",
        "generation": "march",
    }
    _set(project, **{"active": "original", "retired[0]": "march"})
    after = _in_use(project, azure)
    del after["machine"]
    assert after == before
    assert {one.name for one in azure.postgres.servers.list_by_resource_group(ESTATE)} == {first}


def _backup(azure: Clients, disk: str, database: str) -> dict[str, str]:
    snapshot = {
        "location": "westeurope",
        "properties": {"incremental": True, "creationData": {"createOption": "Copy", "sourceResourceId": disk}},
    }
    made = azure.compute.snapshots.begin_create_or_update(ESTATE, "march", snapshot).result()
    source = azure.postgres.servers.get(ESTATE, database)
    # The first whole second that its log holds; runs have passed since.
    moment = (source.backup.earliest_restore_date + timedelta(seconds=1)).replace(microsecond=0)
    return {
        "generations.march.homeSnapshots[0]": made.id,
        "generations.march.databaseSource": database,
        "generations.march.databaseTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    }


def _set(project: Project, **data: str) -> None:
    """Set keys of `data`; a second run then finds nothing to do."""
    pairs = [word for key, value in data.items() for word in ("--plaintext", f"bitbucket-dc:data.{key}={value}")]
    project.pulumi("config", "set-all", "--path", *pairs)
    project.pulumi("up", "--yes", "--skip-preview")
    project.pulumi("preview", "--expect-no-changes")


def _in_use(project: Project, azure: Clients) -> dict[str, Any]:
    """Return the data that is in use, as the cloud shows it."""
    outputs = json.loads(project.pulumi("stack", "output", "--json"))
    server = azure.compute.virtual_machines.get(ESTATE, f"{ESTATE}-file-server")
    (attached,) = [disk.managed_disk.id for disk in server.storage_profile.data_disks]
    assert outputs["volumeIds"] == [attached]
    return {
        "database": outputs["databaseIdentifier"],
        "disk": attached,
        "machine": server.vm_id,
        "generation": outputs["dataGeneration"],
    }


def _destroy(project: Project, azure: Clients) -> None:
    azure.compute.snapshots.begin_delete(ESTATE, "march").result()  # nothing of ours is left in the group
    project.pulumi("destroy", "--yes")
    assert azure.world.resources.under(f"/subscriptions/{azure.world.subscription}/resourceGroups/{ESTATE}") == []
