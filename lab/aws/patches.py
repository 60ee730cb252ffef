"""Replace methods of moto's classes for as long as a world lives, and put them back afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

_MISSING = object()


class Patches:
    """Attributes replaced on classes; undone in reverse order by ``undo`` or on leaving the ``with`` block."""

    def __init__(self) -> None:
        self._undo: list[tuple[type, str, object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def put(self, owner: type, name: str, value: object) -> None:
        """Set ``owner.name``; it may be new."""
        self._undo.append((owner, name, owner.__dict__.get(name, _MISSING)))
        setattr(owner, name, value)

    def replace(self, owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that takes the place of the method ``owner.name``.

        Raises:
            AttributeError: the class has no such method, so moto is not the version these repairs were made for.
        """
        getattr(owner, name)
        return self.add(owner, name)

    def add(self, owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that becomes the method ``owner.name``, which need not exist."""

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            self.put(owner, name, function)
            return function

        return decorate

    def wrap(self, owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate ``function(original, self, ...)`` that goes around the method ``owner.name``."""
        original = getattr(owner, name)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            def method(self: object, *args: Any, **kwargs: Any) -> Any:
                return function(original, self, *args, **kwargs)

            self.put(owner, name, method)
            return function

        return decorate

    def undo(self) -> None:
        """Put everything back as it was."""
        while self._undo:
            owner, name, value = self._undo.pop()
            if value is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, value)
