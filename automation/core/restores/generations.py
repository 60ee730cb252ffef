"""Generations of data: the estate's disks and database as they were first made, and beside them each restored set.

A restore never writes into data that exists: it adds a generation, and makes it the active one. The way back is to make
the one before it active again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ORIGINAL = "original"
"""Name of the data that the estate was first made with."""
_NAME = re.compile(r"(?=.{1,20}$)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Generation:
    """What one generation is made from; the original one is made from nothing."""

    name: str
    home_snapshots: tuple[str, ...] = ()
    """Snapshots of the shared home's disks."""
    database_snapshot: str = ""
    """Snapshot of the database; empty when it is restored to an instant."""
    database_source: str = ""
    """Database whose log holds the instant."""
    database_time: float | None = None
    """Instant to restore the database to, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class DataState:
    """The generations that the estate's program declares."""

    active: str
    generations: tuple[Generation, ...] = ()
    """All but the original."""
    retired: frozenset[str] = frozenset()
    """Names of those whose data was deleted."""

    @property
    def names(self) -> frozenset[str]:
        """Every name that is taken."""
        return frozenset({ORIGINAL, *(generation.name for generation in self.generations)})

    @property
    def there(self) -> frozenset[str]:
        """Every generation whose data exists, or is to exist."""
        return self.names - self.retired

    def find(self, name: str) -> Generation | None:
        """Return the generation called ``name``; None for one that does not exist, or is the original."""
        return next((each for each in self.generations if each.name == name), None)


def is_name(text: str) -> bool:
    """Tell whether a generation may be called so: lower-case letters, digits and hyphens, 20 at most."""
    return _NAME.fullmatch(text) is not None and text != ORIGINAL
