"""The stored journal of restores: durable, sealed, one row a restore."""

import sqlite3

import pytest
from cryptography.fernet import Fernet

from automation.adapters.journal import StoredJournal
from automation.adapters.restore_journal import StoredRestores
from automation.adapters.runs.store import Store
from automation.core.restores.generations import Generation
from automation.core.restores.memory import Memory
from automation.core.restores.plan import RestorePlan
from automation.ports.errors import Forbidden, Unavailable

PLAN = RestorePlan(
    "git",
    "march",
    "original",
    set_id="20261121-100000-000",
    generation=Generation("march", ("snap-1",), "db-snap-1"),
    started=1_700_000_000.25,
    suspend=frozenset({"Launch", "AZRebalance"}),
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "state")


@pytest.fixture
def journal(store):
    made = StoredRestores(store)
    yield made
    made.close()


def test_whoever_comes_later_reads_it(journal, store):
    memory = Memory(PLAN, declared=True, stopped=("i-1", "i-2"))
    journal.write(memory)
    other = StoredRestores(store)
    assert other.newest("git") == memory
    other.close()


def test_what_is_stored_is_sealed(journal, store):
    journal.write(Memory(PLAN))
    with sqlite3.connect(store.file) as connection:
        rows = connection.execute("select restore_id, cluster, over, memory from bbdc_restores").fetchall()
    connection.close()
    assert [row[:3] for row in rows] == [("1700000000.250000", "git", 0)]
    assert "snap-1" not in rows[0][3]
    assert b"snap-1" not in store.file.read_bytes()


def test_it_stands_beside_the_journal_of_backups(journal, store):
    backups = StoredJournal(store)
    assert backups.unfinished("git") == ()
    journal.write(Memory(PLAN))
    assert backups.newest("git") == ()
    backups.close()


def test_another_key_is_refused_in_words(journal, tmp_path):
    journal.write(Memory(PLAN))
    (tmp_path / "state" / "key").write_bytes(Fernet.generate_key())
    other = StoredRestores(Store(tmp_path / "state"))
    with pytest.raises(Forbidden, match="another key"):
        other.newest("git")
    other.close()


def test_a_database_that_is_away_is_told_without_values(journal, store):
    journal.write(Memory(PLAN))
    with sqlite3.connect(store.file) as connection:
        connection.execute("drop table bbdc_restores")
    connection.close()
    with pytest.raises(Unavailable, match="writing the journal of restores failed: no such table") as failed:
        journal.write(Memory(PLAN))
    assert "march" not in str(failed.value)
