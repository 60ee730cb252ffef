"""A contract: what this project's programs ask of Azure works against the lab, operation by operation.

Each line is an operation of an SDK client: the lab answers it with a status that the client accepts.
"""

from __future__ import annotations

from typing import Any

import pytest

from lab.azure.world import GROUP
from tests.lab.azure.estate import WAIT, Estate
from tests.lab.azure.test_databases import create
from tests.lab.azure.test_network import write


@pytest.fixture(scope="module")
def probed(estate: Estate) -> Estate:
    """An estate with one of everything."""
    estate.scale_set("bb", capacity=2)
    estate.file_server()
    write(estate, "gw", "10.0.0.4").result()
    create(estate, "db")
    return estate


READS: list[tuple[str, str, str, tuple[Any, ...]]] = [
    ("compute", "virtual_machine_scale_sets", "get", ("bb",)),
    ("compute", "virtual_machine_scale_sets", "list", ()),
    ("compute", "virtual_machine_scale_sets", "get_instance_view", ("bb",)),
    ("compute", "virtual_machine_scale_set_vms", "list", ("bb",)),
    ("compute", "virtual_machine_scale_set_vms", "get", ("bb", "0")),
    ("compute", "virtual_machine_scale_set_vms", "get_instance_view", ("bb", "0")),
    ("compute", "virtual_machines", "list", ()),
    ("compute", "virtual_machines", "get", ("files",)),
    ("compute", "virtual_machines", "instance_view", ("files",)),
    ("compute", "disks", "list_by_resource_group", ()),
    ("compute", "disks", "get", ("home",)),
    ("compute", "snapshots", "list_by_resource_group", ()),
    ("compute", "restore_point_collections", "list", ()),
    ("compute", "disk_encryption_sets", "list_by_resource_group", ()),
    ("network", "application_gateways", "list", ()),
    ("network", "application_gateways", "get", ("gw",)),
    ("network", "load_balancers", "list", ()),
    ("network", "virtual_networks", "list", ()),
    ("network", "subnets", "list", ("net",)),
    ("network", "network_interfaces", "get", ("files",)),
    ("network", "network_security_groups", "list", ()),
    ("network", "public_ip_addresses", "list", ()),
    ("postgres", "servers", "list_by_resource_group", ()),
    ("postgres", "servers", "get", ("db",)),
    ("postgres", "backups_automatic_and_on_demand", "list_by_server", ("db",)),
]


@pytest.mark.parametrize(("client", "group", "operation", "names"), READS, ids=lambda value: str(value)[:40])
def test_reading(probed: Estate, client: str, group: str, operation: str, names: tuple[str, ...]) -> None:
    answer = getattr(getattr(getattr(probed.clients, client), group), operation)(GROUP, *names)
    if operation.startswith("list"):
        assert all(one.id for one in answer)
    elif "view" in operation:
        assert answer.statuses
    else:
        assert answer.name in {names[-1], "bb_0"}


ONE = {"instanceIds": ["0"]}
ACTS: list[tuple[str, str, str, tuple[Any, ...]]] = [
    ("compute", "virtual_machine_scale_sets", "begin_update_instances", ("bb", ONE)),
    ("compute", "virtual_machine_scale_sets", "begin_reimage", ("bb", ONE)),
    ("compute", "virtual_machine_scale_sets", "begin_power_off", ("bb", ONE)),
    ("compute", "virtual_machine_scale_sets", "begin_start", ("bb", ONE)),
    ("compute", "virtual_machine_scale_sets", "begin_restart", ("bb", ONE)),
    ("compute", "virtual_machine_scale_sets", "begin_deallocate", ("bb", ONE)),
    ("compute", "virtual_machine_scale_set_vms", "begin_start", ("bb", "0")),
    ("compute", "virtual_machine_scale_set_vms", "begin_restart", ("bb", "0")),
    ("compute", "virtual_machine_scale_set_vms", "begin_power_off", ("bb", "0")),
    ("compute", "virtual_machine_scale_set_vms", "begin_deallocate", ("bb", "0")),
    ("compute", "virtual_machine_scale_set_vms", "begin_reimage", ("bb", "0")),
    ("compute", "virtual_machines", "begin_restart", ("files",)),
    ("compute", "virtual_machines", "begin_deallocate", ("files",)),
    ("compute", "virtual_machines", "begin_start", ("files",)),
    ("compute", "virtual_machines", "begin_update", ("files", {"tags": {"bitbucket-dc:role": "file-server"}})),
    ("compute", "disks", "begin_update", ("home", {"tags": {"a": "b"}})),
    ("network", "application_gateways", "begin_stop", ("gw",)),
    ("network", "application_gateways", "begin_start", ("gw",)),
    ("network", "application_gateways", "begin_backend_health", ("gw",)),
    ("postgres", "servers", "begin_update", ("db", {"tags": {"a": "b"}})),
    ("postgres", "servers", "begin_restart", ("db",)),
    ("postgres", "servers", "begin_stop", ("db",)),
    ("postgres", "servers", "begin_start", ("db",)),
    ("postgres", "servers", "begin_delete", ("db",)),
    ("network", "application_gateways", "begin_delete", ("gw",)),
    ("compute", "virtual_machine_scale_sets", "begin_delete", ("bb",)),
    ("compute", "virtual_machines", "begin_delete", ("files",)),
    ("compute", "disks", "begin_delete", ("home",)),
]


@pytest.mark.parametrize(("client", "group", "operation", "arguments"), ACTS, ids=lambda value: str(value)[:40])
def test_acting(probed: Estate, client: str, group: str, operation: str, arguments: tuple[Any, ...]) -> None:
    """They come in this order: the last ones delete what the others need."""
    poller = getattr(getattr(getattr(probed.clients, client), group), operation)(GROUP, *arguments, **WAIT)
    poller.result()
    assert poller.status() == "Succeeded"


def test_tags_of_a_gateway(probed: Estate) -> None:
    write(probed, "tagged", "10.0.0.4").result()
    made = probed.clients.network.application_gateways.update_tags(GROUP, "tagged", {"tags": {"a": "b"}})
    assert made.tags == {"a": "b"}


def test_databases_in_a_server(probed: Estate) -> None:
    create(probed, "inside")
    databases = probed.clients.postgres.databases
    body = {"properties": {"charset": "UTF8", "collation": "en_US.utf8"}}
    databases.begin_create(GROUP, "inside", "bitbucket", body, **WAIT).result()
    assert [one.name for one in databases.list_by_server(GROUP, "inside")] == ["bitbucket"]
    rule = {"properties": {"startIpAddress": "10.0.0.4", "endIpAddress": "10.0.0.9"}}
    probed.clients.postgres.firewall_rules.begin_create_or_update(GROUP, "inside", "nodes", rule, **WAIT).result()
    probed.clients.postgres.firewall_rules.begin_delete(GROUP, "inside", "nodes", **WAIT).result()


def test_a_disk_under_a_key_of_ones_own(probed: Estate) -> None:
    sets = probed.clients.compute.disk_encryption_sets
    body = {"location": "westeurope", "properties": {"activeKey": {"keyUrl": "https://vault/keys/k/1"}}}
    made = sets.begin_create_or_update(GROUP, "keys", body, **WAIT).result()
    encryption = {"type": "EncryptionAtRestWithCustomerKey", "diskEncryptionSetId": made.id}
    assert probed.disk("encrypted", encryption=encryption).encryption.disk_encryption_set_id == made.id
