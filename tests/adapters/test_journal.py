"""The stored journal: closed, sealed, durable, and clear about what is wrong."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

from automation.adapters.journal import StoredJournal
from automation.adapters.runs.store import Store
from automation.core.backups.memory import Memory
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.ports.errors import Forbidden, Unavailable

MEMORY = Memory(
    BackupSet("set-1", "git", Mode.LOCKED, SetState.PENDING, 1_700_000_000.0),
    unlock_token="unlock-hunter22",
    cancel_token="cancel-hunter22",
)


@pytest.fixture
def journal(tmp_path):
    made = StoredJournal(Store(tmp_path / "state"))
    yield made
    made.close()


def test_tokens_are_on_the_disk_in_no_readable_form_and_files_are_closed(journal, tmp_path):
    journal.write(MEMORY)
    files = [path for path in (tmp_path / "state").iterdir() if path.is_file()]
    assert files
    for path in files:
        assert b"hunter22" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_another_process_reads_it(journal, tmp_path):
    journal.write(MEMORY)
    script = (
        "import sys; from pathlib import Path\n"
        "from automation.adapters.journal import StoredJournal; from automation.adapters.runs.store import Store\n"
        "j = StoredJournal(Store(Path(sys.argv[1])))\n"
        "print([m.unlock_token for m in j.unfinished('git')], 'dbos' in sys.modules)\n"
        "j.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "state")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['unlock-hunter22'] False"


def test_every_write_is_synchronous(journal):
    with journal._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_another_key_is_refused_in_words(journal, tmp_path):
    journal.write(MEMORY)
    (tmp_path / "state" / "key").write_bytes(Fernet.generate_key())
    other = StoredJournal(Store(tmp_path / "state"))
    with pytest.raises(Forbidden, match="another key"):
        other.unfinished("git")
    other.close()


def test_a_full_disk_is_said_without_what_was_to_be_written(journal):
    journal.write(MEMORY)
    with journal._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    large = BackupSet("set-2", "git", Mode.LOCKED, SetState.PENDING, 1.0, detail="x" * 500_000)
    with pytest.raises(Unavailable, match="full") as caught:
        journal.write(Memory(large))
    assert "xxxx" not in str(caught.value)
    assert "BBDC_STATE" in caught.value.hint
    assert journal.unfinished("git") == (MEMORY,)


def test_a_damaged_file_is_said(tmp_path):
    store = Store(tmp_path / "state")
    store.prepare()
    store.file.write_bytes(b"not a database" * 100)
    journal = StoredJournal(store)
    with pytest.raises(Unavailable, match="not a database"):
        journal.write(MEMORY)
    journal.close()


def test_it_stands_beside_the_runs_in_one_file(journal, tmp_path):
    journal.write(MEMORY)
    with sqlite3.connect(tmp_path / "state" / "runs.sqlite") as connection:
        assert connection.execute("SELECT set_id, cluster, over FROM bbdc_backups").fetchall() == [("set-1", "git", 0)]
    connection.close()
