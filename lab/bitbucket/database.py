"""One process's connection to the shared database: SQLite in WAL mode, so that several node processes can use it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lab.bitbucket.gate import Gate
from lab.bitbucket.schema import SCHEMA

_PATIENCE = 20.0
"""Seconds that a change waits for another process's."""


class Database:
    """Rows in, rows out; safe to use from several threads."""

    def __init__(self, file: Path, gate: Gate | None = None) -> None:
        """Open ``file``, and make the tables that are missing.

        Args:
            file: the database.
            gate: what every change has to pass; None for one that is always open.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        self._guard = threading.RLock()
        self._gate = gate or Gate()
        self._db = sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(SCHEMA)

    @property
    def latched(self) -> bool:
        """True while nothing may be changed."""
        return self._gate.shut

    @contextmanager
    def write(self, *, admitted: bool = False) -> Iterator[sqlite3.Connection]:
        """Open a transaction; it is undone when the block raises.

        ``admitted``: the change belongs to something that has passed the gate already.

        Raises:
            Latched: the gate is shut.
        """
        with nullcontext() if admitted else self._gate.write(), self._guard:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row, None when there is none."""
        with self._guard:
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows."""
        with self._guard:
            return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the connection."""
        with self._guard:
            self._db.close()
