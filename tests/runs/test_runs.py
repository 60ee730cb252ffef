from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from automation.adapters.clock import SystemClock
from automation.adapters.runs.reader import RunReader, RunState
from automation.adapters.runs.runs import Runs
from automation.adapters.runs.store import Store
from automation.core.roll import Ending, Message, MessageKind, Record
from automation.ports.errors import Conflict, NotFound, Unexpected
from tests.runs.scripted import Scripted, plan


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


def drive(store: Store, engine: Scripted) -> Runs:
    return Runs(store, "alpha", engine, clock=SystemClock())


def test_a_run_goes_to_its_end_and_tells_its_story(store: Store, tmp_path: Path) -> None:
    told: list[Record] = []
    with drive(store, Scripted(tmp_path / "journal", length=3)) as runs:
        run = runs.open(plan())
        outcome = runs.wait(run, "finished", told.append)
    assert run == "alpha:1"
    assert outcome is not None
    assert outcome.ending is Ending.UPGRADED
    assert [record.subject for record in told] == ["0", "1", "2", "3"]
    with RunReader(store) as reader:
        assert reader.get(run).state is RunState.UPGRADED
        assert list(reader.records(run, after=2)) == told[2:]


def test_a_second_process_is_refused_and_told_who_holds_the_cluster(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal")
    with drive(store, engine), pytest.raises(Conflict, match=rf"process {os.getpid()} on .*, since"):
        drive(store, engine).__enter__()
    with drive(store, engine):
        pass  # and the right is free again


def test_leaving_stops_driving_and_the_next_process_goes_on(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=6, wait=0.3)
    with drive(store, engine) as runs:
        run = runs.open(plan())
        assert runs.wait(run, "opened") is None
    stopped_at = len(engine.lines())
    with RunReader(store) as reader:
        assert reader.get(run).state is RunState.INTERRUPTED
    assert stopped_at < 7
    with drive(store, engine) as runs:
        assert runs.open(plan()) == run
        assert runs.wait(run, "finished") is not None
    assert [line["number"] for line in engine.lines()] == list(range(7))


def test_a_paused_run_says_so_and_goes_on_under_the_same_id(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=4, pause_at=2)
    with drive(store, engine) as runs:
        run = runs.open(plan())
        outcome = runs.wait(run, "finished")
    assert outcome is not None
    assert (outcome.ending, outcome.reason) == (Ending.PAUSED, "scripted_pause")
    with RunReader(store) as reader:
        assert reader.get(run).state is RunState.PAUSED
    with drive(store, engine) as runs:
        assert runs.adopt(run, "somebody") == run
        outcome = runs.wait(run, "finished")
    assert outcome is not None
    assert outcome.ending is Ending.UPGRADED


def test_a_run_that_pauses_again_at_once_says_so_again(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=4, pause_at=2, stubborn=True)
    for _ in range(3):
        with drive(store, engine) as runs:
            outcome = runs.wait(runs.open(plan()), "finished")
        assert outcome is not None
        assert outcome.reason == "scripted_pause"


def test_another_target_takes_over_from_a_paused_run(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=4, pause_at=2)
    with drive(store, engine) as runs:
        first = runs.open(plan())
        runs.wait(first, "finished")
    calm = Scripted(tmp_path / "journal", length=1)
    with drive(store, calm) as runs:
        second = runs.open(plan(target="7.9.0"))
        outcome = runs.wait(second, "finished")
    assert outcome is not None
    assert outcome.ending is Ending.ROLLED_BACK
    assert second == "alpha:2"
    with RunReader(store) as reader:
        assert [run.state for run in reader.runs("alpha")] == [RunState.SUPERSEDED, RunState.ROLLED_BACK]
    assert [line["target"] for line in calm.lines()] == ["7.9.4"] * 3 + ["7.9.0"] * 2


def test_another_target_takes_over_from_a_running_run_which_does_nothing_more(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=1000, length_back=2, wait=0.05)
    with drive(store, engine) as runs:
        first = runs.open(plan())
        runs.wait(first, "opened")
        second = runs.open(plan(target="7.9.0"))
        runs.wait(second, "finished")
    targets = [line["target"] for line in engine.lines()]
    assert targets == sorted(targets, reverse=True)
    with RunReader(store) as reader:
        assert reader.get(first).state is RunState.SUPERSEDED


def test_a_word_from_an_operator_ends_a_wait_at_once(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=1, wait=3600.0)
    with drive(store, engine) as runs:
        run = runs.open(plan())
        with RunReader(store) as other:
            other.send(run, Message(MessageKind.APPROVE, "ada"))
        runs.wait(run, "finished")
        memory = RunReader(store).memory(run)
    assert memory is not None
    assert memory.approved_by == "ada"


def test_a_defect_in_the_engine_is_reported_and_the_next_run_begins_where_it_was(store: Store, tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal", length=4, fail_at=2)
    with drive(store, engine) as runs:
        run = runs.open(plan())
        with pytest.raises(Unexpected, match="scripted defect"):
            runs.wait(run, "finished")
    engine.fail_at = None
    with drive(store, engine) as runs:
        second = runs.open(plan())
        runs.wait(second, "finished")
    assert second == "alpha:2"
    assert [line["number"] for line in engine.lines()] == [0, 1, 2, 2, 3, 4]


def test_two_clusters_are_driven_side_by_side_from_one_store(store: Store, tmp_path: Path) -> None:
    """DBOS is one per process, so the second cluster is driven by another one."""
    engine = Scripted(tmp_path / "journal", length=2)
    with drive(store, engine) as runs:
        runs.wait(runs.open(plan()), "finished")
    with Runs(store, "beta", engine, clock=SystemClock()) as runs:
        runs.wait(runs.open(plan("beta")), "finished")
    with RunReader(store) as reader:
        assert [run.id for run in reader.runs()] == ["alpha:1", "beta:1"]
        assert [run.id for run in reader.runs("beta")] == ["beta:1"]
        assert reader.latest("gamma") is None


def test_reading_before_anything_was_stored_finds_nothing(store: Store) -> None:
    with RunReader(store) as reader:
        assert reader.runs() == ()
        assert reader.latest("alpha") is None
        assert reader.records("alpha:1") == ()
        with pytest.raises(NotFound, match="alpha:1"):
            reader.get("alpha:1")


def test_nothing_readable_and_nothing_open_to_others_is_left_on_disk(store: Store, tmp_path: Path) -> None:
    with drive(store, Scripted(tmp_path / "journal", length=1)) as runs:
        runs.wait(runs.open(plan(by="S3CRET-NAME")), "finished")
        files = [path for path in store.state.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"runs.sqlite", "runs.sqlite-wal", "key"}
        assert not [path for path in files if path.stat().st_mode & 0o077]
        assert not [path for path in files if b"S3CRET-NAME" in path.read_bytes()]
    assert store.state.stat().st_mode & 0o077 == 0


def test_no_thread_of_a_finished_run_is_left(store: Store, tmp_path: Path) -> None:
    before = threading.active_count()
    with drive(store, Scripted(tmp_path / "journal", length=1)) as runs:
        runs.wait(runs.open(plan()), "finished")
    deadline = threading.Event()
    for _ in range(50):
        if threading.active_count() <= before:
            return
        deadline.wait(0.1)
    assert threading.active_count() <= before, threading.enumerate()
