"""Values as they cross the protocol: numbers, unknowns and secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict, ParseDict

Properties: TypeAlias = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that is not known yet (the protocol's sentinel for text, which fits every type)."""

_UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's mark of a secret, not one


def decode(message: struct_pb2.Struct) -> Properties:
    """Return the properties of a message: whole numbers as `int`, secrets unwrapped, one kind of unknown."""
    decoded: Properties = _plain(MessageToDict(message))
    return decoded


def encode(properties: Mapping[str, Any], *, secret: Iterable[str] = ()) -> struct_pb2.Struct:
    """Return the message for `properties`; those named in `secret` are marked so. Absent (None) ones are left out."""
    marked = set(secret)
    shown = {k: _mark(v) if k in marked else v for k, v in properties.items() if v is not None}
    return ParseDict(shown, struct_pb2.Struct())


def has_unknown(value: object) -> bool:
    """Tell whether the value, or anything inside it, is not known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(v) for v in value.values())
    if isinstance(value, list):
        return any(has_unknown(v) for v in value)
    return value == UNKNOWN


def _mark(value: object) -> object:
    return value if value == UNKNOWN else {_SIGNATURE: _SECRET, "value": value}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return _plain(value.get("value"))
        return {k: _plain(v) for k, v in value.items()}
    return UNKNOWN if isinstance(value, str) and value in _UNKNOWNS else value
