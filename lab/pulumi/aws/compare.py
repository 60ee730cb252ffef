"""Decide what changed between the state of a resource and its new inputs.

Comparison is by meaning: `"8"` equals 8, a policy equals the same policy written differently, a set equals itself
in another order, an empty collection equals an absent one, and what the cloud adds to a nested object (the id of
a root volume) is no change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lab.pulumi.aws.values import UNKNOWN, Properties


class Kind(Enum):
    """What happens to a property."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        path: Where: `launchTemplate.version`, `tags["a.b"]`.
        kind: What happens there.
    """

    path: str
    kind: Kind

    @property
    def top(self) -> str:
        """The property at the top level that the path leads into."""
        return segments(self.path)[0]


@dataclass(frozen=True, slots=True)
class Rules:
    """How the properties of one type are compared.

    Attributes:
        documents: Properties that hold JSON text.
        sets: Lists whose order means nothing.
        computed: Inputs that the cloud fills when the program does not: dropping one changes nothing.
        maps: Maps of the program's own keys, such as tags: a key that only the cloud has is a difference.
    """

    documents: Collection[str] = ()
    sets: Collection[str] = ()
    computed: Collection[str] = ()
    maps: Collection[str] = ()


def changes(rules: Rules, old_inputs: Properties, state: Properties, news: Properties) -> Iterator[Change]:
    """Yield the differences that bring the resource from `state` to `news`.

    Args:
        rules: How this type's properties compare.
        old_inputs: What the program asked for when the state was written.
        state: The outputs recorded or read since: what the resource is.
        news: What the program asks for now.
    """
    for name in sorted({*old_inputs, *news}):
        if name.startswith("__"):
            continue
        if news.get(name) is None:
            if name not in rules.computed and not is_empty(old_inputs.get(name)):
                yield Change(name, Kind.DELETE)
        else:
            before = state.get(name) if state.get(name) is not None else old_inputs.get(name)
            yield from _change(rules, name, old_inputs.get(name), before, news[name])


def _change(rules: Rules, name: str, asked: object, before: object, after: object) -> Iterator[Change]:
    if is_empty(before):
        if not is_empty(after):
            yield Change(name, Kind.ADD)
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        known = before if name in rules.maps else asked
        yield from _nested(name, known if isinstance(known, Mapping) else {}, before, after)
    elif not same(rules, name, before, after):
        yield Change(name, Kind.UPDATE)


def _nested(
    path: str, asked: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    for key in sorted({*asked, *after}):
        where = join(path, key)
        if key not in after or after[key] is None:
            if not is_empty(asked.get(key)):
                yield Change(where, Kind.DELETE)
        elif is_empty(before.get(key)):
            if not is_empty(after[key]):
                yield Change(where, Kind.ADD)
        elif not _covers(before[key], after[key], unordered=True):
            yield Change(where, Kind.UPDATE)


def same(rules: Rules, name: str, before: object, after: object) -> bool:
    """Tell whether two values of the property `name` mean the same."""
    if UNKNOWN in (after, before):
        return False
    if name in rules.documents and isinstance(before, str) and isinstance(after, str):
        return _document(before) == _document(after)
    if is_empty(before) or is_empty(after):
        return is_empty(before) and is_empty(after)
    if name in rules.maps and not _covers(after, before, unordered=True):
        return False
    return _covers(before, after, unordered=name in rules.sets)


def _covers(before: object, after: object, *, unordered: bool) -> bool:
    """Tell whether `before` has all that `after` asks for (it may have more, inside objects)."""
    if isinstance(after, Mapping):
        return isinstance(before, Mapping) and all(
            is_empty(v) if is_empty(before.get(k)) else _covers(before[k], v, unordered=unordered)
            for k, v in after.items()
        )
    if isinstance(after, list):
        return isinstance(before, list) and len(before) == len(after) and _lists(before, after, unordered=unordered)
    return after != UNKNOWN and not isinstance(before, list | Mapping) and _scalar(before) == _scalar(after)


def _lists(before: list[Any], after: list[Any], *, unordered: bool) -> bool:
    if not unordered:
        return all(_covers(b, a, unordered=False) for b, a in zip(before, after, strict=True))
    left = list(before)
    for wanted in after:
        match = next((i for i, b in enumerate(left) if _covers(b, wanted, unordered=True)), None)
        if match is None:
            return False
        del left[match]
    return True


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(text: str) -> object:
    """Reduce a policy to what it means: order of lists and single-element lists make no difference."""
    try:
        return _canonical(json.loads(text))
    except ValueError:
        return text


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _canonical(v) for k, v in value.items()}
    if isinstance(value, list):
        items = sorted((_canonical(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
        return items[0] if len(items) == 1 else items
    return _scalar(value)


def is_empty(value: object) -> bool:
    """Tell whether a value says nothing: None, empty text, an empty collection."""
    return value is None or value == "" or (isinstance(value, list | Mapping) and not value)


def reconciled(rules: Rules, known: Properties, read: Properties) -> Properties:
    """Return the state: what was `read`, written as in `known` where both mean the same.

    A property that `read` holds as None is gone; one that it does not hold at all cannot be read and stays.
    """
    state = {k: v for k, v in known.items() if not k.startswith("__")}
    for name, value in read.items():
        if is_empty(value) and is_empty(state.get(name)):
            state.setdefault(name, value)
            continue
        if name not in rules.maps and isinstance(value, Mapping) and isinstance(state.get(name), Mapping):
            state[name] = _merged(state[name], value)
        elif name not in state or not same(rules, name, value, state[name]):
            state[name] = value
    return {k: v for k, v in state.items() if v is not None}


def _merged(known: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in known.items() if k in read and _covers(read[k], v, unordered=True)}
    return {**{k: v for k, v in read.items() if v is not None}, **kept}


_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*")
_SEGMENT = re.compile(r"""\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|\.?([^.\[\]]+)""")


def join(path: str, key: str) -> str:
    """Return the path of `key` inside `path`; a key that is no plain word is quoted."""
    return f"{path}.{key}" if _PLAIN.fullmatch(key) else f"{path}[{json.dumps(key)}]"


def segments(path: str) -> tuple[str, ...]:
    """Split a property path: `tags["a.b"]` gives `("tags", "a.b")`."""
    return tuple(next(filter(None, found.groups()), "") for found in _SEGMENT.finditer(path)) or (path,)


def is_ignored(path: str, ignored: Collection[str]) -> bool:
    """Tell whether a change at `path` is covered by one of the paths in `ignored` (`*` matches any one part)."""
    parts = segments(path)
    for rule in map(segments, ignored):
        if len(rule) <= len(parts) and all(r in ("*", p) for r, p in zip(rule, parts, strict=False)):
            return True
    return False
