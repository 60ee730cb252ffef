from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from automation.adapters.runs.holder import hold
from automation.adapters.runs.reader import RunReader
from automation.adapters.runs.store import Store
from automation.cli.exit_codes import ExitCode
from automation.core.cluster import ClusterState
from automation.core.roll import Message, MessageKind
from lab.sim.estate import Estate
from tests.cli.conftest import Bbdc, Told
from tests.cli.schemas import check


def test_an_upgrade_goes_to_its_end_and_is_told_in_events_status_and_report(
    bbdc: Bbdc, estate: Estate, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    told = bbdc("upgrade", "7.9.4", "--yes", "--json", "--report", str(page))
    assert told.code == ExitCode.OK, told.err
    for event in told.events:
        check(event, "event")
    names = [event["event"] for event in told.events]
    assert (names[0], names[-1]) == ("preflight", "outcome")
    assert told.events[-1]["outcome"]["ending"] == "upgraded"
    assert estate.cloud.model == "7.9.4"
    status = bbdc("status", "--json").json
    check(status, "status")
    assert (status["state"], status["run"]["state"]) == ("STABLE", "upgraded")
    runs = bbdc("runs", "--json").json
    check(runs[0], "run")
    report = bbdc("report", "--json").json
    check(report["run"], "run")
    check(report["records"][0], "record")
    assert page.read_text().count("<svg") == 1
    again = bbdc("upgrade", "7.9.4", "--yes")
    assert again.code == ExitCode.OK
    assert "Nothing to do" in again.out


def test_a_paused_roll_ends_with_its_name_and_the_same_command_goes_on(
    bbdc: Bbdc, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BBDC_ROLL__GATE_TIMEOUT", "400")
    monkeypatch.setenv("BBDC_ROLL__SOAK", "100000")
    told = bbdc("upgrade", "7.9.4", "--yes")
    assert told.code == ExitCode.PAUSED, told.err
    assert "paused: soak" in told.err
    assert "bbdc upgrade 7.9.4" in told.err
    listed = bbdc("status")
    assert "sim:1 (7.9.0 -> 7.9.4): paused: soak" in listed.out
    assert bbdc("resume").code == ExitCode.REFUSED, "nobody would hear it"
    monkeypatch.setenv("BBDC_ROLL__SOAK", "1")
    monkeypatch.setenv("BBDC_ROLL__GATE_TIMEOUT", "5400")
    assert bbdc("upgrade", "7.9.4", "--yes").code == ExitCode.OK
    (run,) = bbdc("runs", "--json").json
    assert (run["id"], run["state"]) == ("sim:1", "upgraded")


def test_a_rollback_takes_over_and_the_cluster_is_as_before(
    bbdc: Bbdc, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BBDC_ROLL__GATE_TIMEOUT", "400")
    monkeypatch.setenv("BBDC_ROLL__SOAK", "100000")
    assert bbdc("upgrade", "7.9.4", "--yes").code == ExitCode.PAUSED
    monkeypatch.setenv("BBDC_ROLL__SOAK", "1")
    monkeypatch.setenv("BBDC_ROLL__GATE_TIMEOUT", "5400")
    cancelled = bbdc("cancel", "--yes")
    assert cancelled.code == ExitCode.REFUSED
    assert "no longer run 7.9.0" in cancelled.err
    told = bbdc("rollback", "--yes")
    assert told.code == ExitCode.OK, told.err
    assert estate.world.bitbucket.cluster().state is ClusterState.STABLE
    assert estate.cloud.model == "7.9.0"
    assert [run["state"] for run in bbdc("runs", "--json").json] == ["superseded", "rolled back"]
    nothing = bbdc("rollback", "--yes")
    assert nothing.code == ExitCode.REFUSED
    assert "no open upgrade" in nothing.err


def test_a_manual_approval_is_waited_for_and_comes_from_another_terminal(
    bbdc: Bbdc, estate: Estate, tmp_path: Path
) -> None:
    told: list[Told] = []
    roll = threading.Thread(target=lambda: told.append(bbdc("upgrade", "7.9.4", "--yes", "--approval", "manual")))
    roll.start()
    with RunReader(Store(tmp_path / "state")) as reader:
        while not any(record.name == "approval" for record in reader.records("sim:1")):
            assert roll.is_alive()
            time.sleep(0.1)
        reader.send("sim:1", Message(MessageKind.APPROVE, "grace"))
    roll.join(timeout=60)
    assert told[0].code == ExitCode.OK, told[0].err
    assert bbdc("report", "--json").json["records"][-1]["subject"] == "grace"


def test_a_second_process_is_refused_before_anything_is_changed(bbdc: Bbdc, estate: Estate, tmp_path: Path) -> None:
    held = hold(Store(tmp_path / "state"), "sim")
    try:
        told = bbdc("upgrade", "7.9.4", "--yes", "--json")
    finally:
        held.release()
    assert told.code == ExitCode.CONFLICT
    check(told.events[-1], "error")
    assert "another run holds cluster sim: process" in told.err
    assert estate.world.bitbucket.cluster().state is ClusterState.STABLE
