"""The table says what the installed packages declare, and every type in it can be addressed."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lab.pulumi.azure import paths
from lab.pulumi.azure.bodies import document, outputs
from lab.pulumi.azure.table import table
from lab.pulumi.azure.table_source import MODELS, OTHERWISE, TARGET, written
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


@pytest.mark.parametrize("module", MODELS)
def test_what_replaces_is_what_azures_sdk_lets_be_given_at_creation_only(module: str) -> None:
    """For the types whose models are installed; the rest of the list was read off the specifications."""
    declared = {token: set(paths.REPLACING.get(token, ())) - BY_HAND.get(token, set()) for token in paths.TYPES}
    tokens = [token for token in paths.TYPES if token.split(":")[1] == module]
    assert {token: declared[token] for token in tokens} == {token: _created_only(token) for token in tokens}


BY_HAND = {
    "azure-native:network:PrivateEndpoint": {"subnet"},
    "azure-native:network:PublicIPAddress": {"publicIPAddressVersion", "publicIPPrefix", "sku"},
}
"""What the genuine provider's generator lists beside the specifications."""


def _created_only(token: str) -> set[str]:
    _, module, name = token.split(":")
    kind = table().types[token]
    model = getattr(import_module(MODELS[module]), OTHERWISE.get(f"{module}.{name}", name))
    found = set(_fixed(model, kind.inputs, "", ()))
    return {path for path in found if path.partition(".")[0] not in {"location", *kind.parameters}}


def _fixed(model: Any, inputs: Any, path: str, above: tuple[str, ...]) -> Iterator[str]:
    """Yield the inputs, by path, whose field may be given at creation and not afterwards."""
    model({})  # the SDK prepares a model's fields when the first of its kind is made
    fields = {field._rest_name: field for field in model._attr_to_rest_field.values()}
    for name, expression in inputs.items():
        field = fields.get(name) or _inner(fields).get(name)
        seen = set(getattr(field, "_visibility", None) or ())
        if "create" in seen and "update" not in seen:
            yield f"{path}{name}"
        if isinstance(expression, dict) and expression["object"] not in above:
            module, _, inside = expression["object"].partition(".")
            part = getattr(import_module(MODELS.get(module, MODELS["network"])), inside.removesuffix("Args"), None)
            if part is not None and hasattr(part, "_attr_to_rest_field"):
                declared = table().objects.properties[expression["object"]]
                yield from _fixed(part, declared, f"{path}{name}.", (*above, expression["object"]))


def _inner(fields: Any) -> Any:
    """Return the fields of the model that stands under `properties`."""
    if "properties" not in fields:
        return {}
    model = fields["properties"]._class_type
    model({})
    return {field._rest_name: field for field in model._attr_to_rest_field.values()}


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
