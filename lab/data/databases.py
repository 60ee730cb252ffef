"""Databases as SQLite files: copies are consistent whatever is being written, and can be wound back to a moment.

A database's directory is reached by its name through a link. A process that has a database open knows the directory
behind it, so a renamed database keeps its users, and one that takes over a name does not get the files of another.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lab.data import history, trees

FILE = "bitbucket.sqlite"
STORE = ".store"
BUSY = 20.0
"""Seconds to wait for a writer."""


@dataclass(frozen=True, slots=True)
class Databases:
    """All databases and their snapshots.

    Attributes:
        root: a database lies in ``root/NAME/bitbucket.sqlite``.
        snapshots: a snapshot lies in ``snapshots/KEY/bitbucket.sqlite``; a key may have several parts.
        seed: directory with the file that the first database takes over.
    """

    root: Path
    snapshots: Path
    seed: Path

    def path(self, name: str) -> Path | None:
        """Return the file of a database; None when there is no such database."""
        file = self.root / name / FILE
        return file.resolve() if file.exists() else None

    def create(self, name: str) -> None:
        """Make a database: the seed for the first, an empty one afterwards."""
        file = self._new()
        found = self.seed / FILE
        if found.exists():
            found.rename(file)
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA journal_mode = WAL")
        history.install(file)
        self._name(name, file)

    def rename(self, old: str, new: str) -> None:
        """Give a database another name."""
        (self.root / old).rename(self.root / new)

    def delete(self, name: str) -> None:
        """Remove a database."""
        link = self.root / name
        place = link.resolve()
        link.unlink(missing_ok=True)
        trees.remove(place)

    def snapshot(self, name: str, key: str) -> None:
        """Copy a database as it is now. Raises OSError or sqlite3.Error, and leaves nothing behind."""
        target = self.snapshots / key
        target.mkdir(parents=True, mode=0o700)
        try:
            _copy(self.root / name / FILE, target / FILE)
        except BaseException:
            trees.remove(target)
            raise

    def copy_snapshot(self, source: str, target: str) -> None:
        """Copy a snapshot."""
        trees.copy(self.snapshots / source, self.snapshots / target)

    def delete_snapshot(self, key: str) -> None:
        """Remove a snapshot; nothing happens when there is none."""
        trees.remove(self.snapshots / key)

    def restore(self, key: str, name: str) -> None:
        """Make a database from a snapshot."""
        file = self._new()
        shutil.copy2(self.snapshots / key / FILE, file)
        history.rewind(file, None)
        self._name(name, file)

    def restore_at(self, source: str, name: str, moment: float) -> None:
        """Make a database that is what another was at a moment (seconds since the epoch)."""
        file = self._new()
        _copy(self.root / source / FILE, file)
        history.rewind(file, moment)
        self._name(name, file)

    def _new(self) -> Path:
        place = self.root / STORE / secrets.token_hex(8)
        place.mkdir(parents=True, mode=0o700)
        return place / FILE

    def _name(self, name: str, file: Path) -> None:
        (self.root / name).symlink_to(file.parent.relative_to(self.root), target_is_directory=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a database in one read transaction: what was committed before is there, what comes later is not."""
    with closing(sqlite3.connect(source, timeout=BUSY)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)
