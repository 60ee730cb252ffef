"""From what a program says to documents of Azure Resource Manager, and back.

Documents keep under `properties` what programs see flat, in resources and in many of the objects inside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.azure import paths
from lab.pulumi.azure.table import Type, table
from lab.pulumi.declared import TypeExpression

BAG = "properties"
IDENTITIES = "userAssignedIdentities"
"""A list of ids for programs, a map with the ids as keys in documents."""


def document(kind: Type, inputs: Properties) -> Properties:
    """Return the document that asks for `inputs`; what stands in the path is not in it."""
    outer: Properties = {}
    bag: Properties = {}
    for name, value in inputs.items():
        if name.startswith("__") or name in kind.parameters or value is None:
            continue
        place = bag if name in kind.inner else outer
        place[kind.names.get(name, name)] = _inward(value, kind.inputs.get(name, "any"))
    return outer | ({BAG: bag} if bag or kind.inner else {})


def outputs(kind: Type, found: Properties) -> Properties:
    """Return what a program sees of a resource, given its document."""
    flat = dict(found)
    if BAG not in kind.outputs and isinstance(flat.get(BAG), Mapping):
        flat |= flat.pop(BAG)
    renamed = {there: here for here, there in kind.names.items()}
    shown = {renamed.get(name, name): value for name, value in flat.items() if value is not None}
    seen = {name: _outward(value, kind.inputs.get(name, "any")) for name, value in shown.items()}
    return {name: value for name, value in seen.items() if name in kind.outputs} | {"azureApiVersion": kind.api}


def inputs_of(kind: Type, state: Properties, identity: str) -> Properties:
    """Return the inputs that would give a state, as for an import."""
    found = {
        name: _declared(value, kind.inputs[name])
        for name, value in state.items()
        if name in kind.inputs and name not in {"id", "type"}
    }
    who = found.get("identity")
    if isinstance(who, Mapping) and isinstance(who.get(IDENTITIES), Mapping):
        found["identity"] = {"type": who.get("type"), IDENTITIES: sorted(who[IDENTITIES])}
    return found | identity_of(kind, identity)


def _declared(value: Any, expression: TypeExpression) -> Any:
    """Return what a program may give of a value: without what only Azure says, such as a part's state."""
    if isinstance(value, list):
        item = expression[1] if isinstance(expression, list) else "any"
        return [_declared(one, item) for one in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(expression, list):
        return {key: _declared(one, expression[1]) for key, one in value.items()}
    known = table().objects.properties.get(expression["object"]) if isinstance(expression, Mapping) else None
    if known is None:
        return dict(value)
    return {key: _declared(one, known[key]) for key, one in value.items() if key in known}


def identity_of(kind: Type, identity: str) -> Properties:
    """Return the parameters in an id that are inputs."""
    found = paths.taken_apart(kind.path, identity.lstrip("/") if kind.path.startswith("/{") else identity)
    return {name: value for name, value in found.items() if name in kind.inputs}


def foreseen(given: Any, known: Any) -> Any:
    """Return an output as far as its input tells it before anything is done.

    Identities are a list in inputs and a map in outputs: those that are there already keep what is known of them.
    """
    if not isinstance(given, Mapping) or not isinstance(given.get(IDENTITIES), list):
        return given
    ids = given[IDENTITIES]
    before = known.get(IDENTITIES) if isinstance(known, Mapping) else None
    before = before if isinstance(before, Mapping) else {}
    if UNKNOWN in ids:
        return {**given, IDENTITIES: UNKNOWN}
    return {**given, IDENTITIES: {identity: before.get(identity, UNKNOWN) for identity in ids}}


def _inward(value: Any, expression: TypeExpression) -> Any:
    """Put the properties of objects that are shown flat where documents have them."""
    if isinstance(value, list):
        item = expression[1] if isinstance(expression, list) else "any"
        return [_inward(one, item) for one in value]
    if not isinstance(value, Mapping):
        return _number(value, expression)
    if isinstance(expression, list):
        return {key: _inward(one, expression[1]) for key, one in value.items()}
    name = expression["object"] if isinstance(expression, Mapping) else ""
    declared = table().objects.properties.get(name, {})
    inner = table().inner.get(name, frozenset())
    made = {key: _inward(one, declared.get(key, "any")) for key, one in value.items() if one is not None}
    if isinstance(made.get(IDENTITIES), list):
        made[IDENTITIES] = {identity: {} for identity in made[IDENTITIES]}
    bag = {key: one for key, one in made.items() if key in inner}
    outer = {key: one for key, one in made.items() if key not in inner}
    return outer | ({BAG: bag} if bag else {})


def _number(value: Any, expression: TypeExpression) -> Any:
    """Return a scalar as documents have it: programs may write numbers and truth as text."""
    if not isinstance(value, str):
        return value
    if expression == "boolean" and value in {"true", "false"}:
        return value == "true"
    if expression in {"integer", "number"}:
        number = float(value)
        return int(number) if number.is_integer() else number
    return value


def _outward(value: Any, expression: TypeExpression) -> Any:
    """Show flat what documents keep under `properties` of an object inside them."""
    if isinstance(value, list):
        item = expression[1] if isinstance(expression, list) else "any"
        return [_outward(one, item) for one in value]
    if not isinstance(value, Mapping):
        return value
    if isinstance(expression, list):
        return {key: _outward(one, expression[1]) for key, one in value.items()}
    name = expression["object"] if isinstance(expression, Mapping) else ""
    found = dict(value)
    if isinstance(found.get(BAG), Mapping) and _is_flat(name, found):
        found |= found.pop(BAG)
    declared = table().objects.properties.get(name, {})
    return {key: _outward(one, declared.get(key, "any")) for key, one in found.items() if one is not None}


def _is_flat(name: str, found: Mapping[str, Any]) -> bool:
    """Tell whether an object is shown flat; one that only answers have is, when it is a part with an id."""
    return name in table().inner if name else "id" in found
