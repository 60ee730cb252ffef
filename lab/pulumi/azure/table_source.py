"""Read the declaration of the types out of `pulumi_azure_native` and Azure's own SDKs and write `table.json`.

Run `python -m lab.pulumi.azure.table_source` after a change of `pulumi_azure_native` or of the list of types.

`pulumi_azure_native` shows flat what Azure Resource Manager keeps under `properties`, in resources and in many objects
inside them, and does not say which. The models of `azure.mgmt` do: an object is shown flat where the model has
`properties` and the class of `pulumi_azure_native` has not. For modules without such models a resource is flat when it
has no `properties` of its own, and everything but the envelope of a document goes under `properties`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lab.pulumi.aws.schema_source import properties_of
from lab.pulumi.azure.paths import TYPES, parameters

TARGET = Path(__file__).with_name("table.json")
MODELS: Mapping[str, str] = {
    "compute": "azure.mgmt.compute.models",
    "dbforpostgresql": "azure.mgmt.postgresqlflexibleservers.models",
    "network": "azure.mgmt.network.models",
}
"""Module of `pulumi_azure_native` -> models of the SDK for the same service."""
ENVELOPE = frozenset(
    {"id", "name", "type", "location", "tags", "sku", "kind", "identity", "zones", "plan", "etag", "managedBy",
     "extendedLocation"}
)  # fmt: skip
"""What stands beside `properties` in a document."""
NAMES: Mapping[str, Mapping[str, str]] = {
    "azure-native:storage:StorageAccount": {
        "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
        "enableNfsV3": "isNfsV3Enabled",
    },
}
"""Properties that are written otherwise in documents."""
OTHERWISE: Mapping[str, str] = {
    "network.LoadBalancerBackendAddressPool": "BackendAddressPool",
}
"""Names of `pulumi_azure_native` -> names of the SDK's models, where they differ."""
_VERSION = re.compile(r"Uses Azure REST API version (\S+)\.\s")


def table(tokens: Iterable[str] = TYPES) -> dict[str, Any]:
    """Return the JSON document for the types named by ``tokens``."""
    objects: dict[str, Any] = {}
    types = {token: _type(token, objects) for token in sorted(tokens)}
    for name, found in objects.items():
        inner = _inner(name, found["properties"])
        if inner:
            found["inner"] = inner
    version = metadata.version("pulumi-azure-native")
    return {"version": version, "types": types, "objects": dict(sorted(objects.items()))}


def _type(token: str, objects: dict[str, Any]) -> dict[str, Any]:
    _, package, name = token.split(":")
    resource = getattr(importlib.import_module(f"pulumi_azure_native.{package}"), name)
    module = importlib.import_module(resource.__module__)
    inputs, required = properties_of(vars(module).get(f"{name}InitArgs") or vars(module)[f"{name}Args"], objects)
    version = _VERSION.search(inspect.getsource(module))
    if version is None:
        raise LookupError(f"{token} does not say which api-version it uses")
    path = TYPES[token]
    found = {"api": version[1], "inputs": inputs, "required": required, "outputs": _outputs(resource)}
    inner = _inner_of_resource(package, name, [key for key in inputs if key not in parameters(path)])
    names = NAMES.get(token)
    return found | {"inner": inner} | ({"names": dict(names)} if names else {})


def _outputs(resource: type) -> list[str]:
    getters = {name: found.fget for name, found in vars(resource).items() if isinstance(found, property)}
    return sorted(getattr(getter, "_pulumi_name", name) for name, getter in getters.items())


def _inner_of_resource(package: str, name: str, inputs: list[str]) -> list[str]:
    fields = _fields(package, name)
    if "properties" in inputs or (fields is not None and "properties" not in fields):
        return []
    return sorted(set(inputs) - (ENVELOPE if fields is None else fields))


def _inner(name: str, properties: Mapping[str, Any]) -> list[str]:
    """Return what stands under `properties` in an object inside a document; nothing when it is not shown flat."""
    package, _, args = name.partition(".")
    fields = _fields(package, args.removesuffix("Args"))
    if fields is None or "properties" not in fields or "properties" in properties:
        return []
    return sorted(set(properties) - fields)


def _fields(package: str, name: str) -> set[str] | None:
    """Return the fields of a model of Azure's SDK as documents name them; None when there is no such model."""
    known = OTHERWISE.get(f"{package}.{name}", name)
    model = getattr(importlib.import_module(MODELS[package]), known, None) if package in MODELS else None
    if model is None:
        return None
    model({})  # the SDK prepares a model's fields when the first of its kind is made
    return {field._rest_name for field in model._attr_to_rest_field.values()}  # noqa: SLF001 - shown nowhere else


def main() -> None:
    """Write `table.json`."""
    TARGET.write_text(written(table()), "utf-8")


def written(document: Mapping[str, Any]) -> str:
    """Return the document as text, one type a line."""
    parts = []
    for part in ("types", "objects"):
        lines = (f" {json.dumps(name)}: {json.dumps(found)}" for name, found in document[part].items())
        parts.append(f'"{part}": {{\n' + ",\n".join(lines) + "\n}")
    return "{" + ",\n".join([f'"version": {json.dumps(document["version"])}', *parts]) + "}\n"


if __name__ == "__main__":
    main()
