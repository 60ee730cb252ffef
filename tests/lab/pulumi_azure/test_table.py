"""The table says what the installed packages declare, and every type in it can be addressed."""

import json
from pathlib import Path

import pytest

from lab.pulumi.azure import paths
from lab.pulumi.azure.bodies import document, outputs
from lab.pulumi.azure.table import table
from lab.pulumi.azure.table_source import TARGET, written
from lab.pulumi.azure.table_source import table as source


def test_the_table_is_what_the_packages_declare() -> None:
    assert TARGET.read_text("utf-8") == written(source()), "run python -m lab.pulumi.azure.table_source"


@pytest.mark.parametrize("token", paths.TYPES)
def test_a_type_is_addressed_by_its_inputs(token: str) -> None:
    kind = table().types[token]
    assert set(kind.parameters) <= set(kind.inputs)
    values = {name: "/subscriptions/s/resourceGroups/g" if name in paths.SCOPES else "one" for name in kind.parameters}
    place = paths.filled(kind.path, {**values, "subscriptionId": "s"})
    assert place.startswith("/subscriptions/s")
    assert paths.taken_apart(kind.path, place).keys() - {"subscriptionId"} == set(kind.parameters)


@pytest.mark.parametrize("names", [paths.REPLACING, paths.CHILDREN, paths.DEFAULTS])
def test_what_is_special_about_a_type_is_declared(names: dict[str, tuple[str, ...]]) -> None:
    for token, properties in names.items():
        for name in properties:
            assert name.partition(".")[0] in table().types[token].inputs, f"{token} has no {name}"


def test_properties_go_where_documents_have_them_and_come_back() -> None:
    kind = table().types["azure-native:network:Subnet"]
    flat = {
        "addressPrefix": "10.0.0.0/24",
        "delegations": [{"name": "db", "serviceName": "Microsoft.DBforPostgreSQL/flexibleServers"}],
        "natGateway": {"id": "/subscriptions/s/nat"},
    }
    body = document(kind, {"resourceGroupName": "g", "virtualNetworkName": "n", "subnetName": "s", **flat})
    assert body == {
        "properties": {
            "addressPrefix": "10.0.0.0/24",
            "delegations": [{"name": "db", "properties": {"serviceName": "Microsoft.DBforPostgreSQL/flexibleServers"}}],
            "natGateway": {"id": "/subscriptions/s/nat"},
        }
    }
    assert outputs(kind, json.loads(json.dumps(body))) == flat | {"azureApiVersion": kind.api}


def test_text_that_stands_for_numbers_and_truth_becomes_that() -> None:
    kind = table().types["azure-native:compute:Disk"]
    body = document(kind, {"diskName": "d", "diskSizeGB": "64", "burstingEnabled": "true"})
    assert body["properties"] == {"diskSizeGB": 64, "burstingEnabled": True}


def test_a_bag_of_its_own_and_another_name() -> None:
    vault = table().types["azure-native:keyvault:Vault"]
    assert document(vault, {"vaultName": "v", "properties": {"tenantId": "t"}}) == {"properties": {"tenantId": "t"}}
    account = table().types["azure-native:storage:StorageAccount"]
    body = document(account, {"enableHttpsTrafficOnly": True, "kind": "StorageV2"})
    assert body == {"kind": "StorageV2", "properties": {"supportsHttpsTrafficOnly": True}}
    assert outputs(account, body)["enableHttpsTrafficOnly"] is True


def test_the_page_lists_every_type() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "lab-azure-provider.md").read_text("utf-8")
    assert table().version in page
    for token in paths.TYPES:
        _, module, name = token.split(":")
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{module}` |")]
        assert f"`{name}`" in line
