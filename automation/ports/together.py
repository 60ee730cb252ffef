"""Several calls at once: what is begun under the lock is begun at the same instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from automation.ports.errors import BbdcError

T = TypeVar("T")


class Together(Protocol):
    """Carries calls out at the same time."""

    def __call__(self, calls: Sequence[Callable[[], T]]) -> tuple[T | BbdcError, ...]:
        """Start all calls at once and return what each returned or raised, in their order, when all are over.

        Only errors of our tree are returned; any other is a defect and is raised.
        """
        ...
