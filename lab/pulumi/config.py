"""A stack's configuration: values, secrets, paths into objects, the project's schema with its defaults and types."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.pulumi.errors import EngineError
from lab.pulumi.project import Project
from lab.pulumi.secrets import Crypter

_PATH_PART = re.compile(r'\[(\d+)\]|\["([^"]*)"\]|([^.\[\]]+)')
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str | int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool) or value in {"true", "false"},
    "integer": lambda value: not isinstance(value, bool) and bool(re.fullmatch(r"-?\d+", str(value))),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """One configuration value, decrypted.

    Attributes:
        text: what a program sees: the text itself, or JSON for numbers, booleans, lists and objects.
        secret: any part of it is encrypted in the file.
        structured: a list or an object.
    """

    text: str
    secret: bool = False
    structured: bool = False

    @property
    def object(self) -> Any:
        """The parsed value of a structured one."""
        return json.loads(self.text)

    @property
    def shown(self) -> Any:
        """The text of a scalar, the parsed value of a structured one."""
        return self.object if self.structured else self.text


Config = Mapping[str, ConfigValue]


def _encode(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def is_sealed(raw: Any) -> bool:
    """Whether a raw value is an encrypted one."""
    return isinstance(raw, dict) and set(raw) == {"secure"}


def _decrypt(raw: Any, decrypt: Callable[[str], str]) -> tuple[Any, bool]:
    if is_sealed(raw):
        return decrypt(raw["secure"]), True
    if isinstance(raw, dict):
        parts = {key: _decrypt(value, decrypt) for key, value in raw.items()}
        return {key: value for key, (value, _) in parts.items()}, any(secret for _, secret in parts.values())
    if isinstance(raw, list):
        items = [_decrypt(value, decrypt) for value in raw]
        return [value for value, _ in items], any(secret for _, secret in items)
    return raw, False


def decode(raw: Any, crypter: Crypter) -> ConfigValue:
    """One raw value of the settings file, decrypted."""
    value, secret = _decrypt(raw, crypter.decrypt)
    return ConfigValue(_encode(value), secret, isinstance(value, dict | list))


def blind(raw: Any) -> ConfigValue:
    """One raw value with its secrets shown as "[secret]": needs no passphrase."""
    value, secret = _decrypt(raw, lambda _: "[secret]")
    return ConfigValue(_encode(value), secret, isinstance(value, dict | list))


def _schema_value(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return schema.get("value", schema.get("default"))


def with_defaults(project: Project, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The stack's raw configuration over the defaults of the project's schema."""
    defaults = {project.key(key): _schema_value(schema) for key, schema in project.config.items()}
    return {**{key: value for key, value in defaults.items() if value is not None}, **raw}


def _typed_keys(project: Project) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, schema in project.config.items():
        if isinstance(schema, dict) and key.startswith(f"{project.name}:"):
            yield key, schema


def _missing(project: Project, stack: str, merged: Mapping[str, Any]) -> None:
    missing = [key for key, schema in _typed_keys(project) if "type" in schema and key not in merged]
    names = [f"'{key.removeprefix(f'{project.name}:')}'" for key in sorted(missing)]
    if len(names) == 1:
        raise EngineError(f"Stack '{stack}' is missing configuration value {names[0]}")
    if names:
        listed = ", ".join(names[:-1]) + f" and {names[-1]}"
        raise EngineError(f"Stack '{stack}' is missing configuration values {listed}")


def validate(project: Project, stack: str, raw: Mapping[str, Any]) -> None:
    """Check a stack's configuration against the project's schema.

    Raises:
        EngineError: a value without default is missing, has the wrong type, or should be encrypted.
    """
    merged = with_defaults(project, raw)
    _missing(project, stack, merged)
    for key, schema in _typed_keys(project):
        short, value, kind = key.removeprefix(f"{project.name}:"), merged.get(key), str(schema.get("type"))
        if schema.get("secret") and key in raw and not is_sealed(value):
            raise EngineError(f"Stack '{stack}' with configuration key '{short}' must be encrypted as it's secret")
        if kind in _TYPES and value is not None and not is_sealed(value) and not _TYPES[kind](value):
            raise EngineError(f"Stack '{stack}' with configuration key '{short}' must be of type '{kind}'")


def load(project: Project, raw: Mapping[str, Any], crypter: Crypter) -> dict[str, ConfigValue]:
    """Every value a program sees, decrypted, defaults included."""
    schema = {key for key, value in _typed_keys(project) if value.get("secret")}
    loaded = {}
    for key, value in with_defaults(project, raw).items():
        decoded = decode(value, crypter)
        loaded[key] = ConfigValue(decoded.text, decoded.secret or key in schema, decoded.structured)
    return loaded


def split_path(path: str) -> list[str | int]:
    """The parts of `a.b[0]["c.d"]`."""
    return [int(index) if index else quoted or name for index, quoted, name in _PATH_PART.findall(path)]


def _step_into(container: Any, part: str | int, following: str | int) -> Any:
    empty: Any = [] if isinstance(following, int) else {}
    if isinstance(container, list):
        index = _index(container, part)
        if index == len(container):
            container.append(empty)
        return container[index]
    if not isinstance(container.get(part), dict | list):
        container[part] = empty
    return container[part]


def _index(container: list[Any], part: str | int) -> int:
    if not isinstance(part, int) or part > len(container):
        raise EngineError(f"array index {part!r} is out of range, the array has {len(container)} elements")
    return part


def put(raw: dict[str, Any], parts: list[str | int], value: Any) -> None:
    """Set a value at a path, making the containers in between."""
    container: Any = raw
    for part, following in itertools.pairwise(parts):
        container = _step_into(container, part, following)
    if not isinstance(container, list):
        container[parts[-1]] = value
        return
    index = _index(container, parts[-1])
    container[index : index + 1] = [value]


def remove(raw: dict[str, Any], parts: list[str | int]) -> None:
    """Remove the value at a path, if there is one."""
    container: Any = raw
    try:
        for part in parts[:-1]:
            container = container[part]
        del container[parts[-1]]
    except (KeyError, IndexError, TypeError):
        return


def get(raw: Mapping[str, Any], parts: list[str | int]) -> Any:
    """The raw value at a path, or None."""
    value: Any = raw
    try:
        for part in parts:
            value = value[part]
    except (KeyError, IndexError, TypeError):
        return None
    return value
