"""Volumes as directories: the content of the file system on each; snapshots are copies made while nobody writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from lab.data import trees
from lab.data.standstill import Standstill

SHARED = "shared"
"""The shared home in the file system of its volume, one level below where it is mounted."""


@dataclass(slots=True)
class Volumes:
    """All volumes, where they are attached, and their snapshots.

    Attributes:
        root: a volume is ``root/vol-x/``.
        snapshots: a snapshot is ``snapshots/snap-x/``.
        seed: directory that the first blank volume of a file server gets as its shared home.
        still: holds whoever may be writing.
    """

    root: Path
    snapshots: Path
    seed: Path
    still: Standstill
    _attached: dict[str, dict[str, str]] = field(default_factory=dict)

    def path(self, volume: str) -> Path:
        """Return a volume's directory."""
        return self.root / volume

    def attached(self, instance: str) -> dict[str, Path]:
        """Return device -> directory of an instance's volumes, in the order of the devices."""
        found = self._attached.get(instance, {})
        return {device: self.path(found[device]) for device in sorted(found)}

    def create(self, volume: str, snapshot: str | None) -> None:
        """Make a volume: blank, or with exactly what a snapshot holds."""
        if snapshot is None:
            self.path(volume).mkdir(parents=True, mode=0o755)
        else:
            self.root.mkdir(parents=True, exist_ok=True)
            trees.copy(self.snapshots / snapshot, self.path(volume))

    def delete(self, volume: str) -> None:
        """Remove a volume and what it holds."""
        trees.remove(self.path(volume))

    def attach(self, volume: str, instance: str, device: str, *, home: bool) -> None:
        """Attach a volume; the first blank one meant for the shared home takes the seed over."""
        if home and self.seed.exists() and trees.blank(self.path(volume)):
            self.seed.rename(self.path(volume) / SHARED)
        self._attached[instance] = self._attached.get(instance, {}) | {device: volume}

    def detach(self, volume: str, instance: str) -> None:
        """Detach a volume; what it holds stays."""
        found = self._attached.get(instance, {})
        self._attached[instance] = {device: other for device, other in found.items() if other != volume}

    def snapshot(self, wanted: Mapping[str, str], now: Callable[[], float]) -> float:
        """Copy volumes at one moment, while every writer stands still; return the moment.

        Copies may be asked for at the same time: nobody writes before all of them are made.
        Nobody need stand still for blank volumes: with no file in them there is nothing that a copy could tear.

        Args:
            wanted: snapshot -> volume.
            now: the clock.

        Raises:
            OSError, StillRunning: no copy was made; nothing is left of it.
        """
        self.snapshots.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            blank = all(trees.blank(self.path(volume)) for volume in wanted.values())
            with nullcontext() if blank else self.still.held():
                moment = now()
                for snapshot, volume in wanted.items():
                    trees.copy(self.path(volume), self.snapshots / snapshot)
        except BaseException:
            for snapshot in wanted:
                self.delete_snapshot(snapshot)
            raise
        return moment

    def copy_snapshot(self, source: str, target: str) -> None:
        """Copy a snapshot."""
        trees.copy(self.snapshots / source, self.snapshots / target)

    def delete_snapshot(self, snapshot: str) -> None:
        """Remove a snapshot; nothing happens when there is none."""
        trees.remove(self.snapshots / snapshot)
