"""What the provider has, as a Pulumi package schema: the engine asks for it when it writes code for an import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from lab.pulumi.aws.values import Properties
from lab.pulumi.azure.table import Table, Type, table
from lab.pulumi.declared import TypeExpression

PACKAGE = "azure-native"


@cache
def schema() -> Properties:
    """Return the schema of the types in the table."""
    known = table()
    return {
        "name": PACKAGE,
        "version": known.version,
        "types": {_token(name): _object(known, name) for name in known.objects.properties},
        "resources": {token: _resource(kind) for token, kind in known.types.items()},
    }


def _resource(kind: Type) -> Properties:
    outputs = {name: _property(kind.inputs.get(name, "any")) for name in sorted(kind.outputs)}
    return {
        "inputProperties": _properties(kind.inputs),
        "requiredInputs": sorted(kind.required),
        "properties": outputs,
    }


def _object(known: Table, name: str) -> Properties:
    required: Iterable[str] = known.objects.required[name]
    return {"type": "object", "properties": _properties(known.objects.properties[name]), "required": sorted(required)}


def _properties(declared: Mapping[str, TypeExpression]) -> Properties:
    return {name: _property(expression) for name, expression in declared.items()}


def _property(expression: TypeExpression) -> Properties:
    if expression == "any":
        return {"$ref": "pulumi.json#/Any"}
    if isinstance(expression, str):
        return {"type": expression}
    if isinstance(expression, Mapping):
        return {"$ref": f"#/types/{_token(expression['object'])}"}
    shape, item = expression
    inner = _property(item)
    return {"type": "array", "items": inner} if shape == "list" else {"type": "object", "additionalProperties": inner}


def _token(name: str) -> str:
    """Return the token of an object type: ``network.SubnetArgs`` as ``azure-native:network:SubnetInput``."""
    module, _, inside = name.partition(".")
    return f"{PACKAGE}:{module}:{inside.removesuffix('Args')}Input"
