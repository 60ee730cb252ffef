"""Property values on the wire: protobuf Structs <-> the JSON-shaped Python of lab/pulumi/values.py."""

from collections.abc import Mapping

from google.protobuf import json_format, struct_pb2

from lab.pulumi.values import OUTPUT, SIGNATURE, UNKNOWN, PropertyMap, PropertyValue, make_secret


def _from_wire(value: struct_pb2.Value) -> PropertyValue:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _map_from_wire(value.struct_value)
    if kind == "list_value":
        return [_from_wire(part) for part in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind in {None, "null_value"} else getattr(value, kind)


def _map_from_wire(struct: struct_pb2.Struct) -> PropertyValue:
    fields = {key: _from_wire(value) for key, value in struct.fields.items()}
    if fields.get(SIGNATURE) != OUTPUT:
        return fields
    inner = fields.get("value", UNKNOWN)
    return make_secret(inner) if fields.get("secret") else inner


def from_struct(struct: struct_pb2.Struct) -> PropertyMap:
    """Read a Struct. First-class outputs are flattened to their value, an unknown, or a secret."""
    return {key: _from_wire(value) for key, value in struct.fields.items()}


def properties(struct: struct_pb2.Struct) -> PropertyMap:
    """Read a resource's properties: as `from_struct`, without the top-level nulls that mean "not given"."""
    return {key: value for key, value in from_struct(struct).items() if value is not None}


def to_struct(value: Mapping[str, PropertyValue] | None) -> struct_pb2.Struct:
    """Write a Struct."""
    return json_format.ParseDict(dict(value or {}), struct_pb2.Struct())
