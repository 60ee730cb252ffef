"""Read the declaration of the resource types out of `pulumi_aws` and write `schema.json`.

Run `python -m lab.pulumi.aws.schema_source` after a change of `pulumi_aws` or of the list of types.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import json
import types
import typing
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pulumi import _types

TARGET = Path(__file__).with_name("schema.json")

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def declaration(tokens: Iterable[str]) -> dict[str, Any]:
    """Return the JSON document for the resource types named by `tokens`."""
    objects: dict[str, Any] = {}
    resources = {token: _resource(token, objects) for token in sorted(tokens)}
    version = metadata.version("pulumi-aws")
    return {"version": version, "resources": resources, "objects": dict(sorted(objects.items()))}


def _resource(token: str, objects: dict[str, Any]) -> dict[str, Any]:
    _, where, name = token.split(":")
    package, _, _ = where.partition("/")
    resource = getattr(importlib.import_module(f"pulumi_aws.{package}"), name)
    # From the resource's own module, where it may have another name: an object type of the package has taken the usual.
    own = vars(importlib.import_module(resource.__module__))
    inputs, required = properties_of(own.get(f"{name}InitArgs") or own[f"{name}Args"], objects)
    return {"inputs": inputs, "required": required, "outputs": _outputs(resource)}


def _outputs(resource: type) -> list[str]:
    getters = {n: p.fget for n, p in vars(resource).items() if isinstance(p, property)}
    return sorted(getattr(getter, "_pulumi_name", name) for name, getter in getters.items())


def properties_of(args: type, objects: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the inputs that a class of arguments declares, and which of them are required.

    Args:
        args: the class.
        objects: takes the object types that the inputs use, by name.
    """
    renamed: Mapping[str, str] = _types.input_type_py_to_pulumi_names(args)
    hints: Mapping[str, Any] = _types.input_type_types(args)
    parameters = inspect.signature(args.__init__).parameters  # type: ignore[misc] # the signature is what is asked for
    required = sorted(renamed[n] for n, p in parameters.items() if n in renamed and p.default is p.empty)
    return {name: _expression(hint, objects) for name, hint in sorted(hints.items())}, required


def _expression(hint: Any, objects: dict[str, Any]) -> Any:
    """Translate a type hint; nested objects are added to `objects` by name."""
    if _several(hint):
        return "any"
    hint = _plain(hint)
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin = typing.get_origin(hint)
    if origin in (collections.abc.Sequence, list):
        return ["list", _expression(typing.get_args(hint)[0], objects)]
    if origin in (collections.abc.Mapping, dict):
        return ["map", _expression(typing.get_args(hint)[1], objects)]
    if _types.is_input_type(hint):
        return _object(hint, objects)
    return "any"


def _object(hint: type, objects: dict[str, Any]) -> dict[str, str]:
    name = f"{hint.__module__.split('.')[1]}.{hint.__name__}"
    if name not in objects:
        objects[name] = {}  # an object type may contain itself
        properties, required = properties_of(hint, objects)
        objects[name] = {"properties": properties, "required": required}
    return {"object": name}


def _plain(hint: Any) -> Any:
    """Take the plain type out of `Union[T, Awaitable[T], Output[T], None]`."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    options = [o for o in typing.get_args(hint) if o is not type(None) and not _wrapper(o)]
    return _plain(next((o for o in options if not _is_dict_form(o)), options[0]))


def _several(hint: Any) -> bool:
    """Tell whether a value may be one of several object types: which one, only the cloud can tell."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else ()
    return sum(_types.is_input_type(option) for option in options) > 1


def _wrapper(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    return origin is collections.abc.Awaitable or getattr(origin, "__name__", "") == "Output"


def _is_dict_form(hint: Any) -> bool:
    """Tell whether this is the TypedDict that stands beside an args class; both declare the same."""
    return typing.is_typeddict(hint)


def main() -> None:
    """Write `schema.json` for the types in the registry."""
    from lab.pulumi.aws.registry import RESOURCES  # noqa: PLC0415 - the registry needs the file that is written here

    TARGET.write_text(json.dumps(declaration(RESOURCES), indent=1, sort_keys=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
