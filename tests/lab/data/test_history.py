"""Winding a database back gives exactly what was committed by then: rows, row ids, storage classes."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data import history

SCHEMA = """
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE, age);
CREATE TABLE pair (a TEXT, b INTEGER, note BLOB, UNIQUE (a, b));
CREATE TABLE child (
    id INTEGER PRIMARY KEY, person INTEGER REFERENCES person(id) ON DELETE CASCADE, doubled AS (id * 2));
CREATE TABLE log (text TEXT);
CREATE TRIGGER theirs AFTER INSERT ON person BEGIN INSERT INTO log VALUES ('born ' || NEW.name); END;
"""
NAMES, NUMBERS = st.sampled_from(["ann", "Ann", "bob", "zoë", ""]), st.integers(0, 4)
VALUES = st.one_of(
    st.none(), st.integers(-5, 5), st.floats(allow_nan=False), st.binary(max_size=4), st.text(max_size=4)
)
STATEMENTS = st.one_of(
    st.tuples(st.just("INSERT OR REPLACE INTO person (id, name, age) VALUES (?, ?, ?)"), NUMBERS, NAMES, VALUES),
    st.tuples(st.just("INSERT OR IGNORE INTO person (name, age) VALUES (?, ?)"), NAMES, VALUES),
    st.tuples(
        st.just("INSERT INTO person (name, age) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET age = excluded.age"),
        NAMES,
        VALUES,
    ),
    st.tuples(st.just("UPDATE OR REPLACE person SET name = ?, id = id + 1 WHERE age IS NOT ?"), NAMES, VALUES),
    st.tuples(st.just("DELETE FROM person WHERE id = ?"), NUMBERS),
    st.tuples(st.just("INSERT OR REPLACE INTO pair VALUES (?, ?, ?)"), NAMES, NUMBERS, VALUES),
    st.tuples(st.just("UPDATE OR IGNORE pair SET b = b + ?"), NUMBERS),
    st.tuples(st.just("DELETE FROM pair WHERE b < ?"), NUMBERS),
    st.tuples(st.just("INSERT INTO child (person) SELECT id FROM person WHERE id = ?"), NUMBERS),
)


def content(file: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = ("person", "pair", "child", "log")
        return {t: db.execute(f"SELECT rowid, * FROM {t} ORDER BY rowid").fetchall() for t in tables}  # noqa: S608 - names from the line above


def typed(found: dict[str, list[Any]]) -> str:
    return repr(found)  # 1 and 1.0 are equal, and not the same


def milliseconds() -> None:
    """Let the clock move on by two of its ticks, so that what is done next has another time."""
    began = time.time()
    while time.time() - began < 0.0021:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("history")


@pytest.mark.property
@settings(max_examples=40, deadline=None)
@given(rounds=st.lists(st.lists(STATEMENTS, max_size=4), min_size=1, max_size=6), keys=st.sampled_from(["ON", "OFF"]))
def test_a_database_is_wound_back_exactly(folder: Path, rounds: list[list[tuple[Any, ...]]], keys: str) -> None:
    file, copy = folder / "live.sqlite", folder / "copy.sqlite"
    file.unlink(missing_ok=True)
    seen: list[tuple[float, str]] = []
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute(f"PRAGMA foreign_keys = {keys}")
        db.executescript(SCHEMA)
        history.install(file)
        for statements in rounds:
            db.execute("BEGIN")
            for sql, *values in statements:
                try:
                    db.execute(sql, values)
                except sqlite3.IntegrityError:
                    continue  # the statement changed nothing; the transaction goes on
            db.execute("COMMIT")
            milliseconds()
            seen.append((time.time() - 0.001, typed(content(file))))
            milliseconds()
        for moment, expected in seen:
            copy.unlink(missing_ok=True)
            with closing(sqlite3.connect(copy)) as other:
                db.backup(other)
            history.rewind(copy, moment)
            assert typed(content(copy)) == expected
        assert "theirs" in {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}


def test_a_copy_wound_back_writes_its_own_history_and_keeps_foreign_triggers(tmp_path: Path) -> None:
    file = tmp_path / "one.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.executescript(SCHEMA)
    history.install(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("INSERT INTO person (name) VALUES ('ann')")
    history.rewind(file, None)
    milliseconds()
    moment = time.time()
    milliseconds()
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("INSERT INTO person (name) VALUES ('bob')")
    assert [row[0] for row in content(file)["log"]] == [1, 2]
    history.rewind(file, moment)
    assert [row[2] for row in content(file)["person"]] == ["ann"]


def test_a_table_that_comes_later_is_noticed_and_a_new_column_too(tmp_path: Path) -> None:
    file = tmp_path / "one.sqlite"
    history.install(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.executescript(SCHEMA)
    history.install(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("ALTER TABLE person ADD COLUMN shoe INTEGER")
    history.install(file)
    milliseconds()
    moment = time.time()
    milliseconds()
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("INSERT INTO person (name, shoe) VALUES ('ann', 44)")
    history.rewind(file, moment)
    assert content(file)["person"] == []


def test_a_table_without_row_ids_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "one.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE odd (k TEXT PRIMARY KEY) WITHOUT ROWID")
    with pytest.raises(sqlite3.OperationalError, match="rowid"):
        history.install(file)
