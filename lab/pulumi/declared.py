"""Check the inputs of resources against what the SDK's classes declare, whichever the cloud.

A type is written as `"string"`, `"integer"`, `"number"`, `"boolean"`, `"any"`, `["list", T]`, `["map", T]`
or `{"object": NAME}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.pulumi.aws.values import UNKNOWN, Properties

TypeExpression = Any  # recursive JSON, described in the module's docstring


@dataclass(frozen=True, slots=True)
class Failure:
    """One reason why inputs are refused.

    Attributes:
        property: Path of the property, such as `healthCheck.interval`.
        reason: What is wrong and what is accepted.
    """

    property: str
    reason: str


@dataclass(frozen=True, slots=True)
class Objects:
    """The object types that properties use.

    Attributes:
        properties: Name of an object type -> its properties.
        required: Name of an object type -> those that must be given.
    """

    properties: Mapping[str, Mapping[str, TypeExpression]]
    required: Mapping[str, Sequence[str]]

    def failures(
        self, path: str, value: Properties, properties: Mapping[str, TypeExpression], required: Sequence[str]
    ) -> Iterator[Failure]:
        """Yield what in `value`, which stands at `path`, contradicts its declaration."""
        for name in required:
            if value.get(name) is None:
                yield Failure(_join(path, name), "Missing required property")
        for name, item in value.items():
            if name.startswith("__"):
                continue
            if name not in properties:
                yield Failure(_join(path, name), f"Unknown property; there are: {', '.join(sorted(properties))}")
            elif item is not None:
                yield from self._value(_join(path, name), item, properties[name])

    def _value(self, path: str, value: object, expression: TypeExpression) -> Iterator[Failure]:
        if value == UNKNOWN or expression == "any":
            return
        if isinstance(expression, Mapping):
            yield from self._nested(path, value, expression["object"])
        elif isinstance(expression, str):
            if not _is_scalar(value, expression):
                yield Failure(path, f"Expected {_article(expression)}, got {_shown(value)}")
        elif expression[0] == "list":
            yield from self._list(path, value, expression[1])
        else:
            yield from self._map(path, value, expression[1])

    def _nested(self, path: str, value: object, name: str) -> Iterator[Failure]:
        if isinstance(value, Mapping):
            yield from self.failures(path, dict(value), self.properties[name], self.required[name])
        else:
            yield Failure(path, f"Expected an object, got {_shown(value)}")

    def _list(self, path: str, value: object, item: TypeExpression) -> Iterator[Failure]:
        if not isinstance(value, list):
            yield Failure(path, f"Expected a list, got {_shown(value)}")
            return
        for index, element in enumerate(value):
            yield from self._value(f"{path}[{index}]", element, item)

    def _map(self, path: str, value: object, item: TypeExpression) -> Iterator[Failure]:
        if not isinstance(value, Mapping):
            yield Failure(path, f"Expected a map, got {_shown(value)}")
            return
        for key, element in value.items():
            yield from self._value(_join(path, str(key)), element, item)


def _is_scalar(value: object, expression: str) -> bool:
    """Tell whether a value can stand for the scalar type; text and scalars convert, as in the genuine provider."""
    if isinstance(value, list | Mapping):
        return False
    if expression == "string":
        return True
    if expression == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    return not isinstance(value, bool) and _is_number(value)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _article(expression: str) -> str:
    return {"integer": "an integer"}.get(expression, f"a {expression}")


def _shown(value: object) -> str:
    return "a list" if isinstance(value, list) else "a map" if isinstance(value, Mapping) else f"{value!r}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
