"""Point-in-time recovery of a SQLite database: every change leaves the old row behind, and a copy can be wound back.

Triggers on each table write what a row was before it changed, with the time, to a table beside it. Winding back puts
those rows in again, newest change first, until the moment asked for. Row ids survive.

Times are those of the statements, to the millisecond, as SQLite's clock gives them. What is not wound back: tables that
came later than the triggers (their rows of that time stay). A transaction whose statements lie on both sides of the
moment comes apart there. Tables WITHOUT ROWID are refused.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

PREFIX = "lab_history_"
NOW = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"
"""Milliseconds since the epoch; SQLite 3.40 has no shorter word for them."""
BUSY = 20.0
"""Seconds to wait for another writer."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the database.

    Attributes:
        name: its name.
        columns: its columns, without generated ones.
        conflict: SQL that is true of the rows that may have to give way to the row NEW.
    """

    name: str
    columns: tuple[str, ...]
    conflict: str

    @property
    def shadow(self) -> str:
        """Where its old rows go."""
        return PREFIX + self.name

    @property
    def images(self) -> str:
        """The columns of the shadow that hold the old row."""
        return ", ".join(f"c{number}" for number in range(len(self.columns)))

    @property
    def names(self) -> str:
        """The table's columns, quoted."""
        return ", ".join(map(_q, self.columns))


def install(database: Path) -> None:
    """Write history from now on, of tables that have none yet.

    Raises:
        sqlite3.OperationalError: a table has no row ids, or the database cannot be written.
    """
    with closing(sqlite3.connect(database, timeout=BUSY, isolation_level=None)) as db:
        if all(_watched(db, table) for table in _tables(db)):
            return
        db.execute("BEGIN IMMEDIATE")
        for table in _tables(db):
            if not _watched(db, table):
                _watch(db, table)
        db.execute("COMMIT")


def rewind(database: Path, moment: float | None) -> None:
    """Wind a database that nobody uses back to a moment, and begin a new history.

    Args:
        database: its file.
        moment: seconds since the epoch; None for now.
    """
    with closing(sqlite3.connect(database, timeout=BUSY, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        others = _without_triggers(db)
        for table in _tables(db):
            if _shadowed(db, table):
                if moment is not None:
                    _undo(db, table, math.floor(moment * 1000 + 0.01))  # a float next below 0.001 s means 0.001 s
                db.execute(f"DROP TABLE {_q(table.shadow)}")
        for statement in others:
            db.execute(statement)
        db.execute("COMMIT")
    install(database)


# --- writing ---------------------------------------------------------------------------------------------------------


def _watch(db: sqlite3.Connection, table: _Table) -> None:
    db.execute(f"SELECT rowid FROM {_q(table.name)} LIMIT 0")  # noqa: S608 - refuses a table that has none; quoted
    db.execute(f"DROP TABLE IF EXISTS {_q(table.shadow)}")
    db.execute(f"CREATE TABLE {_q(table.shadow)} (h INTEGER PRIMARY KEY, at INTEGER, gone INTEGER, r, {table.images})")
    for kind, body in _triggers(table).items():
        name = _q(f"{table.shadow}_{kind.replace(' ', '_').lower()}")
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
        db.execute(f"CREATE TRIGGER {name} {kind} ON {_q(table.name)} BEGIN {body}; END")


def _triggers(table: _Table) -> dict[str, str]:
    """Return what is noted at which event.

    A note is either "there was no such row" or "the row was this". A statement with OR REPLACE removes rows without
    firing triggers, so what it may remove is noted beforehand; a note of a row that stays as it is does no harm.
    """
    insert = f"INSERT INTO {_q(table.shadow)}"
    old = ", ".join(f"OLD.{_q(column)}" for column in table.columns)
    before = f"{insert} (at, gone, r, {table.images}) VALUES ({NOW}, 0, OLD.rowid, {old})"
    none = f"{insert} (at, gone, r) SELECT {NOW}, 1, NEW.rowid"
    victims = (
        f"{insert} (at, gone, r, {table.images}) SELECT {NOW}, 0, rowid, {table.names} FROM {_q(table.name)} "  # noqa: S608 - names of the schema, quoted
        f"WHERE ({table.conflict})"
    )
    return {
        "BEFORE INSERT": victims,
        "BEFORE UPDATE": f"{victims} AND rowid <> OLD.rowid",
        "AFTER INSERT": none,
        "AFTER UPDATE": f"{before}; {none} WHERE NEW.rowid <> OLD.rowid",
        "AFTER DELETE": before,
    }


# --- winding back ----------------------------------------------------------------------------------------------------


def _undo(db: sqlite3.Connection, table: _Table, moment: int) -> None:
    """Take back what happened after the moment, newest first: every step is a state that was there."""
    name, marks = _q(table.name), ", ".join("?" * (len(table.columns) + 1))
    notes = db.execute(
        f"SELECT gone, r, {table.images} FROM {_q(table.shadow)} WHERE at > ? ORDER BY h DESC",  # noqa: S608 - names of the schema, quoted
        (moment,),
    ).fetchall()
    for gone, row, *image in notes:
        db.execute(f"DELETE FROM {name} WHERE rowid = ?", (row,))  # noqa: S608 - names of the schema, quoted
        if not gone:
            db.execute(f"INSERT INTO {name} (rowid, {table.names}) VALUES ({marks})", (row, *image))  # noqa: S608 - as above


def _without_triggers(db: sqlite3.Connection) -> list[str]:
    """Drop all triggers; return the SQL of those that are not ours."""
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in found:
        db.execute(f"DROP TRIGGER {_q(name)}")
    return [sql for name, sql in found if not name.startswith(PREFIX)]


# --- the schema ------------------------------------------------------------------------------------------------------


def _tables(db: sqlite3.Connection) -> Iterator[_Table]:
    """Yield the tables that people have made."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    for (name,) in db.execute(query).fetchall():
        if not name.startswith((PREFIX, "sqlite_")):
            columns = tuple(row[1] for row in db.execute(f"PRAGMA table_info({_q(name)})"))
            yield _Table(name, columns, _conflict(db, name))


def _conflict(db: sqlite3.Connection, table: str) -> str:
    found = ["rowid = NEW.rowid"]
    for _, index, unique, *_ in db.execute(f"PRAGMA index_list({_q(table)})").fetchall():
        parts = [row for row in db.execute(f"PRAGMA index_xinfo({_q(index)})") if row[5]]
        if unique and all(row[2] is not None for row in parts):
            found.append(" AND ".join(f"{_q(row[2])} = NEW.{_q(row[2])} COLLATE {_q(row[4])}" for row in parts))
        elif unique:
            found.append("1")  # over an expression: any row may have to give way
    return " OR ".join(found)


def _watched(db: sqlite3.Connection, table: _Table) -> bool:
    """Say whether changes of the table are noted, in all its columns."""
    found = db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? AND name LIKE ?",
                       (table.name, f"{PREFIX}%")).fetchone()[0]  # fmt: skip
    return _shadowed(db, table) and found == len(_triggers(table))


def _shadowed(db: sqlite3.Connection, table: _Table) -> bool:
    columns = db.execute(f"PRAGMA table_info({_q(table.shadow)})").fetchall()
    return len(columns) == len(table.columns) + 4


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
