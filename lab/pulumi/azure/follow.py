"""Which inputs would give what is in Azure now, when somebody else has changed a resource since it was recorded.

What has not changed since stays as the program wrote it. What has changed follows Azure, inside objects and lists too:
an address that automation put into a backend pool becomes an input, and so a later update does not take it out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.pulumi.aws.values import Properties
from lab.pulumi.azure import compare, paths
from lab.pulumi.azure.table import Type, table
from lab.pulumi.declared import TypeExpression


def inputs(kind: Type, asked: Properties, before: Properties, now: Properties) -> Properties:
    """Return the inputs of a resource.

    Args:
        kind: its type.
        asked: the inputs when it was recorded.
        before: its state then.
        now: its state now.
    """
    found = dict(asked)
    passed_by = {name for name in paths.CHILDREN.get(kind.token, ()) if name not in asked}
    for name in kind.inputs.keys() - {"id", "type", *kind.parameters, *passed_by}:
        value = _followed(asked.get(name), before.get(name), now.get(name), kind.inputs[name])
        found.pop(name, None)
        if value is not None:
            found[name] = value
    return found


def _followed(asked: Any, before: Any, now: Any, expression: TypeExpression) -> Any:
    if compare.same(before, now):
        return asked
    if isinstance(now, Mapping):
        return _mapping(asked, before, now, expression)
    if isinstance(now, list):
        return _list(asked, before, now, expression)
    return now


def _mapping(asked: Any, before: Any, now: Mapping[str, Any], expression: TypeExpression) -> Properties:
    asked = asked if isinstance(asked, Mapping) else {}
    before = before if isinstance(before, Mapping) else {}
    declared = table().objects.properties.get(expression["object"]) if isinstance(expression, Mapping) else None
    found = {}
    for key in {*asked, *now}:
        if declared is not None and key not in declared:
            continue
        item = declared[key] if declared is not None else expression[1] if isinstance(expression, list) else "any"
        value = _followed(asked.get(key), before.get(key), now.get(key), item)
        if value is not None:
            found[key] = value
    return found


def _list(asked: Any, before: Any, now: list[Any], expression: TypeExpression) -> list[Any]:
    item = expression[1] if isinstance(expression, list) else "any"
    found = []
    for at, one in enumerate(now):
        value = _followed(_counterpart(asked, at, one), _counterpart(before, at, one), one, item)
        found.append(_followed(None, None, one, item) if value is None else value)
    return found


def _counterpart(others: Any, at: int, one: Any) -> Any:
    """Return the element of another list that means the same thing: of the same name, else at the same place."""
    if not isinstance(others, list):
        return None
    if isinstance(one, Mapping) and one.get("name"):
        return next((x for x in others if isinstance(x, Mapping) and x.get("name") == one["name"]), None)
    return others[at] if at < len(others) else None
