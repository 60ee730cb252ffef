"""The storage of a lab under its AWS: volumes and databases in one directory (lab.aws.ports.Storage)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lab.data.databases import Databases
from lab.data.standstill import Standstill
from lab.data.volumes import Volumes

SEED = "seed"
PLACES = (SEED, "volumes", "snapshots", "databases", "database-snapshots")
"""What it writes in the lab's directory."""


class DirectoryStorage:
    """Volumes are directories, databases files.

    Args:
        directory: the lab's directory. ``seed/shared`` and ``seed/db/bitbucket.sqlite`` in it are what the first
            shared home and the first database take over.
        writers: returns the process ids that may be writing to a volume.
        changed: told of an instance whose volumes have changed.

    Attributes:
        still: holds writers while volumes are copied; whoever builds the lab tells it whom, and who watches them.
    """

    def __init__(
        self,
        directory: Path,
        writers: Callable[[], Iterable[int]] = tuple,
        changed: Callable[[str], None] = lambda _instance: None,
    ) -> None:
        self.still = Standstill(writers)
        self.changed = changed
        seed = directory / SEED
        self.volumes = Volumes(directory / "volumes", directory / "snapshots", seed / "shared", self.still)
        self.databases = Databases(directory / "databases", directory / "database-snapshots", seed / "db")

    # --- for machines ------------------------------------------------------------------------------------------------

    def attached(self, instance: str) -> Mapping[str, Path]:
        """Return device -> directory of an instance's volumes."""
        return self.volumes.attached(instance)

    def database(self, name: str) -> Path | None:
        """Return a database's file; None when there is none of that name."""
        return self.databases.path(name)

    # --- for AWS: volumes --------------------------------------------------------------------------------------------

    def create_volume(self, volume: str, snapshot: str | None) -> None:
        """Make a volume, blank or from a snapshot."""
        self.volumes.create(volume, snapshot)

    def delete_volume(self, volume: str) -> None:
        """Remove a volume."""
        self.volumes.delete(volume)

    def attach(self, volume: str, instance: str, device: str, *, home: bool) -> None:
        """Attach a volume and mount it."""
        self.volumes.attach(volume, instance, device, home=home)
        self.changed(instance)

    def detach(self, volume: str, instance: str) -> None:
        """Unmount a volume and detach it."""
        self.volumes.detach(volume, instance)
        self.changed(instance)

    def snapshot_volumes(self, wanted: Mapping[str, str], now: Callable[[], float]) -> float:
        """Copy volumes at one moment; return the moment."""
        return self.volumes.snapshot(wanted, now)

    def copy_snapshot(self, source: str, target: str) -> None:
        """Copy a volume's snapshot."""
        self.volumes.copy_snapshot(source, target)

    def delete_snapshot(self, snapshot: str) -> None:
        """Remove a volume's snapshot."""
        self.volumes.delete_snapshot(snapshot)

    # --- for AWS: databases ------------------------------------------------------------------------------------------

    def create_database(self, name: str) -> None:
        """Make a database."""
        self.databases.create(name)

    def rename_database(self, old: str, new: str) -> None:
        """Give a database another name."""
        self.databases.rename(old, new)

    def delete_database(self, name: str) -> None:
        """Remove a database."""
        self.databases.delete(name)

    def snapshot_database(self, name: str, key: str) -> None:
        """Copy a database."""
        self.databases.snapshot(name, key)

    def copy_database_snapshot(self, source: str, target: str) -> None:
        """Copy a database's snapshot."""
        self.databases.copy_snapshot(source, target)

    def delete_database_snapshot(self, key: str) -> None:
        """Remove a database's snapshot."""
        self.databases.delete_snapshot(key)

    def restore_database(self, key: str, name: str) -> None:
        """Make a database from a snapshot."""
        self.databases.restore(key, name)

    def restore_database_at(self, source: str, name: str, moment: float) -> None:
        """Make a database as another was at a moment."""
        self.databases.restore_at(source, name, moment)
