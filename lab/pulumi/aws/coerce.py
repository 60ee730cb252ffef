"""Convert property values to the types that an AWS operation declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def coerce(shape: Any, value: Any) -> Any:
    """Convert `value` to the botocore `shape`: `"8"` to 8 for an integer, `"true"` to True, 8 to `"8"` for text.

    Members that a structure does not declare are passed on, so that botocore names them in its own refusal.

    Raises:
        ValueError: The text is no number where a number is declared.
    """
    if value is None:
        return None
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = shape.members
        return {k: coerce(members[k], v) if k in members else v for k, v in value.items() if v is not None}
    if shape.type_name == "list" and isinstance(value, list | tuple):
        return [coerce(shape.member, v) for v in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {k: coerce(shape.value, v) for k, v in value.items()}
    return _scalar(shape.type_name, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "string" and not isinstance(value, bytes):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def capitalised(tree: Any) -> Any:
    """Turn property names into AWS's: `{"volumeSize": 8}` becomes `{"VolumeSize": 8}`, at every depth."""
    if isinstance(tree, Mapping):
        return {k[:1].upper() + k[1:]: capitalised(v) for k, v in tree.items() if v is not None and v != ""}
    return [capitalised(v) for v in tree] if isinstance(tree, list) else tree


def uncapitalised(tree: Any) -> Any:
    """Turn AWS's names into property names: the reverse of `capitalised`."""
    if isinstance(tree, Mapping):
        return {k[:1].lower() + k[1:]: uncapitalised(v) for k, v in tree.items()}
    return [uncapitalised(v) for v in tree] if isinstance(tree, list) else tree
