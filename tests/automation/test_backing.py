"""The backups of one cluster from people's own scripts: signals, metrics, notifications, settings."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automation import bootstrap
from automation.adapters.runs.holder import BACKUP, ROLL, hold, holder
from automation.adapters.runs.store import Store
from automation.adapters.signals import HEARD, Wishes
from automation.backing import Backing
from automation.backup_estate import BackupEstate, estate_of
from automation.core.backups.memory import Ending, Memory
from automation.core.backups.retention import Retention
from automation.core.backups.sets import Mode, SetState
from automation.core.roll import Record
from automation.ports.errors import Conflict, NotFound, Refused, Unavailable
from lab.sim.backups import QUICK
from lab.sim.safe import SafeEstate
from lab.sim.wires import Killed


@pytest.fixture
def vaults() -> SafeEstate:
    return SafeEstate(seed=7)


@pytest.fixture
def estate(vaults: SafeEstate, tmp_path: Path) -> BackupEstate:
    return BackupEstate("sim", vaults.safe, QUICK, Store(tmp_path / "state"))


def ending(memory: Memory) -> Ending:
    assert memory.outcome is not None
    return memory.outcome.ending


def test_a_script_takes_a_set_and_finds_it(estate: BackupEstate) -> None:
    backing = Backing(estate)
    memory = backing.create(name="mine")
    assert ending(memory) is Ending.COMPLETE
    assert backing.show("mine") == backing.newest_complete() == backing.sets()[0]
    assert backing.running() is None


def test_the_cluster_is_held_for_as_long_as_a_set_is_taken(estate: BackupEstate) -> None:
    held: list[object] = []

    def look(_record: Record, _memory: Memory) -> None:
        who = holder(estate.store, "sim")
        held.append((who.pid, who.task) if who else None)

    Backing(estate).create(tell=look)
    assert set(held) == {(os.getpid(), BACKUP)}
    assert holder(estate.store, "sim") is None


def test_a_roll_and_a_backup_exclude_each_other(estate: BackupEstate) -> None:
    held = hold(estate.store, "sim", ROLL)
    try:
        with pytest.raises(Conflict, match="another run holds cluster sim"):
            Backing(estate).create()
    finally:
        held.release()
    assert Backing(estate).sets() == ()


@pytest.mark.parametrize("mode", list(Mode))
def test_what_listens_hears_every_end_and_every_change(estate: BackupEstate, vaults: SafeEstate, mode: Mode) -> None:
    measured: list[int] = []
    told: list[tuple[str, str]] = []
    backing = Backing(
        replace(
            estate,
            measures=[lambda sets: measured.append(len(sets))],
            announce=lambda title, text: told.append((title, text)),
            retention=Retention(last=1),
        )
    )
    backing.create(mode)
    backing.create(mode)
    backing.verify(backing.sets()[-1].id)
    assert measured == [1, 2, 2]
    assert [title for title, _ in told] == ["sim: backup complete"] * 2
    backing.prune()
    assert measured[-1] == 1
    vaults.storage.limits.quota = len(vaults.storage.stored)
    backing.create(mode)
    assert told[-1][0] == "sim: backup invalid"
    assert "snapshot_quota" in told[-1][1]


def test_a_listener_that_fails_only_warns(estate: BackupEstate) -> None:
    def full(_sets: object) -> None:
        raise OSError(28, "No space left on device")

    def deaf(_title: str, _text: str) -> None:
        raise Unavailable("URL 1 (Slack) did not take it")

    warnings: list[str] = []
    backing = Backing(replace(estate, measures=[full], announce=deaf), warn=warnings.append)
    assert ending(backing.create()) is Ending.COMPLETE
    assert any("No space left" in warning for warning in warnings)
    assert any("notifying failed" in warning for warning in warnings)


def test_a_signal_during_recovery_begins_no_new_set(estate: BackupEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(record: Record, _memory: Memory) -> None:
        if record.name == "lock":
            raise Killed

    def interrupt(record: Record, _memory: Memory) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    backing = Backing(estate, warn=lambda _text: None)
    with pytest.raises(Killed):
        backing.create(tell=die)
    with pytest.raises(KeyboardInterrupt, match="before a set was begun"):
        backing.create(tell=interrupt)
    (only,) = backing.sets()
    assert only.state is SetState.INVALID
    assert estate.safe.maintenance.owner() is None


def test_a_second_signal_only_explains_and_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in HEARD}
    said: list[str] = []
    with Wishes(said.append) as wishes:
        assert wishes.wish() == ""
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGINT)
        assert wishes.wish() == "SIGHUP"
    assert "SIGHUP heard" in said[0]
    assert "kill -9" in said[1]
    assert {number: signal.getsignal(number) for number in HEARD} == before


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Wishes(lambda _text: None) as wishes:
            os.kill(os.getpid(), signal.SIGHUP)
            assert wishes.wish() == ""
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_that_can_hear_no_signals_takes_a_set_all_the_same(estate: BackupEstate) -> None:
    taken: list[Memory] = []
    thread = threading.Thread(target=lambda: taken.append(Backing(estate).create()))
    thread.start()
    thread.join()
    assert ending(taken[0]) is Ending.COMPLETE


def test_a_pending_set_is_not_touched_while_somebody_may_be_taking_it(estate: BackupEstate) -> None:
    backing = Backing(estate)
    refused: list[type[Exception]] = []

    def meanwhile(record: Record, memory: Memory) -> None:
        if record.name == "begin_members":
            for act in (backing.keep, backing.verify):
                try:
                    act(memory.backup.id)
                except Conflict as error:
                    refused.append(type(error))

    backing.create(tell=meanwhile)
    assert refused == [Conflict, Conflict]
    assert backing.keep(backing.sets()[0].id).kept


def test_nobody_can_be_cancelled_who_has_just_ended(estate: BackupEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_pid: int, _number: int) -> None:
        raise ProcessLookupError

    held = hold(estate.store, "sim", BACKUP)
    monkeypatch.setattr("automation.backing.os.kill", gone)
    try:
        with pytest.raises(NotFound, match="has just ended"):
            Backing(estate).cancel()
    finally:
        held.release()


def test_an_estate_is_made_of_settings(
    vaults: SafeEstate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def build(*_: object, **__: object) -> Any:
        return vaults.safe

    metrics = tmp_path / "bbdc.prom"
    monkeypatch.setattr(bootstrap, "build_safe", build)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOBODYS_URL", raising=False)
    made = estate_of(
        {
            "cluster": "sim",
            "state": tmp_path / "state",
            "backup": {
                "lock_budget": 60,
                "poll": 1,
                "keep_daily": 7,
                "metrics_file": metrics,
                "notify": ["env:NOBODYS_URL"],
            },
        }
    )
    assert (made.cluster, made.settings.lock_budget, made.retention.daily) == ("sim", 60.0, 7)
    assert ending(Backing(made).create()) is Ending.COMPLETE
    assert 'bitbucket_dc_backup_last_result{cluster="sim",mode="locked"} 1' in metrics.read_text()
    assert "notifying failed" in capfd.readouterr().err, "a reference that leads nowhere costs no backup"


def test_settings_that_are_wrong_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match="there is no lock_buget"):
        estate_of({"cluster": "sim", "backup": {"lock_buget": 60}})
