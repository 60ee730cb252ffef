"""Property paths of options such as ignoreChanges: `tags.x`, `rules[0].port`, `["a.b"]`, `*`."""

import copy

from lab.pulumi.config import split_path
from lab.pulumi.values import PropertyMap, PropertyValue, is_secret

_ABSENT = object()


def _child(value: PropertyValue, part: str | int) -> PropertyValue:
    if is_secret(value):
        value = value["value"]
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return _ABSENT


def _expand(value: PropertyValue, part: str | int) -> list[str | int]:
    if part != "*":
        return [part]
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


def _restore(new: PropertyValue, old: PropertyValue, parts: list[str | int]) -> None:
    """Give `new` the value of `old` at the path; what `old` does not have vanishes."""
    if is_secret(new):
        new = new["value"]
    if not isinstance(new, dict | list):
        return
    old_parts = _expand(old["value"] if is_secret(old) else old, parts[0])
    for part in dict.fromkeys([*_expand(new, parts[0]), *old_parts]):
        if len(parts) > 1:
            _restore(_child(new, part), _child(old, part), parts[1:])
        else:
            _assign(new, part, _child(old, part))


def _assign(container: PropertyValue, part: str | int, value: PropertyValue) -> None:
    if isinstance(container, list):
        if isinstance(part, int) and part < len(container) and value is not _ABSENT:
            container[part] = value
    elif value is _ABSENT:
        container.pop(part, None)
    else:
        container[part] = value


def keep_old(new: PropertyMap, old: PropertyMap, paths: tuple[str, ...]) -> PropertyMap:
    """New inputs with the old values at every ignored path."""
    if not paths:
        return new
    result = copy.deepcopy(new)
    for path in paths:
        _restore(result, old, split_path(path))
    return result


def covers(pattern: str, path: str) -> bool:
    """Whether a path lies at or below a pattern; `*` matches any one part."""
    wanted, found = split_path(pattern), split_path(path)
    if len(wanted) > len(found):
        return False
    return all(part in {"*", actual} for part, actual in zip(wanted, found, strict=False))
