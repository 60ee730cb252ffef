"""Decide what changed between the inputs of before and those of now.

As the genuine provider does, inputs are compared with inputs. Regions and ids mean the same in any spelling, and so do
a number and its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab.pulumi.aws.compare import Change, Kind, is_empty, join
from lab.pulumi.aws.values import UNKNOWN, Properties


def changes(olds: Properties, news: Properties) -> Iterator[Change]:
    """Yield the differences."""
    hidden = {name for name in {*olds, *news} if name.startswith("__")}
    before, after = ({name: value for name, value in one.items() if name not in hidden} for one in (olds, news))
    yield from _mapping("", before, after)


def same(before: Any, after: Any) -> bool:
    """Tell whether two values mean the same."""
    return not list(_value("value", before, after))


def region(name: str) -> str:
    """Return a region as Azure writes it: `West Europe` is westeurope."""
    return name.replace(" ", "").lower()


def _mapping(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted({*before, *after}):
        where = join(path, key) if path else key
        if is_empty(after.get(key)) and is_empty(before.get(key)):
            continue
        if key == "location" and isinstance(after.get(key), str) and isinstance(before.get(key), str):
            yield from _value(where, region(before[key]), region(after[key]))
        else:
            yield from _value(where, before.get(key), after.get(key))


def _value(path: str, before: Any, after: Any) -> Iterator[Change]:
    if is_empty(before) and not is_empty(after):
        yield Change(path, Kind.ADD)
    elif is_empty(after) and not is_empty(before):
        yield Change(path, Kind.DELETE)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _mapping(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(path, before, after)
    elif UNKNOWN in (before, after) or _scalar(before) != _scalar(after):
        yield Change(path, Kind.UPDATE)


def _lists(path: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    for index in range(max(len(before), len(after))):
        where = f"{path}[{index}]"
        if index >= len(before):
            yield Change(where, Kind.ADD)
        elif index >= len(after):
            yield Change(where, Kind.DELETE)
        else:
            yield from _value(where, before[index], after[index])


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value.lower() if value.startswith("/subscriptions/") else value
    return str(value)
