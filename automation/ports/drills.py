"""A place in isolation in which a set is restored, looked at and thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automation.core.backups.sets import BackupSet


@dataclass(frozen=True, slots=True)
class Place:
    """How far a drill's place has come."""

    ready: bool
    detail: str = ""
    machine: str = ""
    """Machine with the restored disks, on which checks are run."""
    devices: tuple[str, ...] = ()
    """Names of the disks' devices there, the shared home's first."""
    database_host: str = ""
    database_port: int = 5432
    password_command: str = ""
    """Shell command with which the machine reads the database's password for itself; it holds no secret."""
    problem: str = ""
    """Why it will never be ready; empty while it may be."""


class Drills(Protocol):
    """Places for drills; everything in one is tagged with the drill's id, so that whoever comes later can remove it."""

    def open(self, drill: str, found: BackupSet) -> None:
        """Begin to restore the set's disks and database into a place of their own; what is there already stays."""
        ...

    def look(self, drill: str) -> Place:
        """Return how far the place is; attaches what is ready to be attached."""
        ...

    def close(self, drill: str) -> bool:
        """Remove what can be removed now; True when nothing of the drill is left."""
        ...

    def leftovers(self) -> tuple[str, ...]:
        """Return the ids of drills of this cluster of which something still exists."""
        ...
