"""The same runs in PostgreSQL: several machines share them, and a session's lock keeps them apart."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from automation.adapters.clock import SystemClock
from automation.adapters.journal import StoredJournal
from automation.adapters.runs.holder import hold, holder
from automation.adapters.runs.reader import RunReader, RunState
from automation.adapters.runs.runs import Runs
from automation.adapters.runs.store import Store
from automation.core.backups.memory import Ending as BackupEnding
from automation.core.backups.memory import Memory
from automation.core.backups.memory import Outcome as BackupOutcome
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.core.roll import Ending
from automation.ports.errors import Conflict, Unavailable, Unreachable
from tests.runs.scripted import Scripted, plan
from tests.runs.test_kill import kill_when, start

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
pytestmark = [pytest.mark.lab, pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL is not installed here")]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a server of our own on loopback, as a user that is not root (who could not look into pytest's folders)."""
    home = Path(tempfile.mkdtemp(prefix="bbdc-postgresql-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(home, "postgres")
    data, binary = str(home / "data"), str(PROGRAMS)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"

    def control(*words: str) -> None:
        command = [*as_user, f"{binary}/pg_ctl", "-D", data, "-w", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=home)

    subprocess.run(
        [*as_user, f"{binary}/initdb", "-D", data, "-A", "trust", "-U", "bbdc"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=home,
    )
    control("-o", options, "-l", str(home / "log"), "start")
    yield f"postgresql://bbdc@127.0.0.1:{port}"
    control("-m", "immediate", "stop")
    shutil.rmtree(home)


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    name = f"runs_{abs(hash(request.node.name))}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    return f"{server}/{name}"


def test_a_run_goes_to_its_end(url: str, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=3, pause_at=2)
    store = Store(tmp_path / "state", url)
    with RunReader(store) as reader:
        assert reader.runs() == ()
    for ending in (Ending.PAUSED, Ending.UPGRADED):
        with Runs(store, "alpha", engine, clock=SystemClock()) as runs:
            outcome = runs.wait(runs.open(plan()), "finished")
        assert outcome is not None
        assert outcome.ending is ending
    with RunReader(store) as reader:
        assert [run.state for run in reader.runs("alpha")] == [RunState.UPGRADED]
    assert not store.state.joinpath("runs.sqlite").exists()


def test_one_process_holds_a_cluster_and_others_are_told_who(url: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "state", url)
    first = hold(store, "alpha")
    with pytest.raises(Conflict, match=rf"process {os.getpid()} on {socket.gethostname()}, since"):
        hold(store, "alpha")
    hold(store, "beta").release()
    assert (who := holder(store, "alpha")) is not None
    assert who.pid == os.getpid()
    first.release()
    assert holder(store, "alpha") is None
    hold(store, "alpha").release()


def test_a_holder_whose_session_was_ended_stops_driving(url: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "state", url)
    held = hold(store, "alpha")
    assert held.is_held()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'bbdc %'")
    assert not held.is_held()
    held.release()


def test_killed_a_run_is_adopted_by_the_next_process(url: str, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal")
    for kill in (1, 2):
        kill_when(start(tmp_path, url=url), engine, lines=kill * 15, delay=0.02)
    out, err = start(tmp_path, url=url).communicate(timeout=60)
    assert out.split() == ["alpha:1", "upgraded"], err
    numbers = [line["number"] for line in engine.lines()]
    assert numbers == sorted(numbers)
    assert len(numbers) - len(set(numbers)) <= 2


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    store = Store(tmp_path / "state", "postgresql://bbdc:s3cret-word@127.0.0.1:1/runs")
    for ask in (lambda: hold(store, "alpha"), RunReader(store).runs):
        with pytest.raises(Unreachable) as caught:
            ask()
        assert "s3cret-word" not in str(caught.value)
    assert "s3cret-word" not in repr(store)


def test_the_journal_of_backups_is_shared_too(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDC_KEY", Fernet.generate_key().decode())
    backup = BackupSet("set-1", "alpha", Mode.LOCKED, SetState.PENDING, 1_700_000_000.0)
    here, elsewhere = (StoredJournal(Store(tmp_path / name, url)) for name in ("here", "elsewhere"))
    here.write(Memory(backup))
    here.write(Memory(backup, unlock_token="tok-hunter22"))
    assert [memory.unlock_token for memory in elsewhere.unfinished("alpha")] == ["tok-hunter22"]
    over = Memory(backup, written=SetState.INVALID, outcome=BackupOutcome(BackupEnding.INVALID, "interrupted"))
    elsewhere.write(over)
    assert here.unfinished("alpha") == ()
    assert here.newest("alpha") == (over,)
    for journal in (here, elsewhere):
        journal.close()


def test_a_journal_whose_server_is_away(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        journal = StoredJournal(Store(tmp_path, f"postgresql://bbdc:hunter22@127.0.0.1:{free.getsockname()[1]}/x"))
        with pytest.raises(Unavailable, match="journal") as caught:
            journal.unfinished("alpha")
    assert "hunter22" not in str(caught.value)
