from __future__ import annotations

import threading
from pathlib import Path

import pytest

from automation.adapters.clock import SystemClock
from automation.adapters.pulumi import progress
from automation.adapters.runs.reader import RunReader
from automation.adapters.runs.runs import Runs
from automation.adapters.runs.store import Store
from automation.adapters.runs.words import describe, is_milestone
from automation.core.roll import Record
from tests.runs.scripted import Scripted, plan


def test_what_is_stored_from_now_on_is_told_and_the_end_of_the_program_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOOK", 0.05)
    store, told, engine = Store(tmp_path / "state"), [], Scripted(tmp_path / "journal", length=1)
    with Runs(store, "alpha", engine, clock=SystemClock()) as runs:
        runs.wait(runs.open(plan()), "finished")

    def tell(record: Record) -> None:
        told.append(record)
        if record.subject == "2":
            raise RuntimeError("Event loop is closed")

    looked, look = threading.Event(), progress._already_told

    def look_first(reader: RunReader, cluster: str) -> dict[str, int]:
        found = look(reader, cluster)
        looked.set()
        return found

    monkeypatch.setattr(progress, "_already_told", look_first)
    tail = threading.Thread(target=progress._tail, args=("alpha", store, tell))
    tail.start()
    assert looked.wait(20)
    engine.length = 2
    with Runs(store, "alpha", engine, clock=SystemClock()) as runs:
        runs.wait(runs.open(plan(target="7.9.5")), "finished")
    tail.join(timeout=20)
    assert not tail.is_alive()
    assert [record.subject for record in told] == ["0", "1", "2"], "the first run's story is over"


@pytest.mark.parametrize(
    ("record", "words", "stays"),
    [
        (Record(0, "act", "replace", "i-1", state="MIXED"), "replace i-1 [MIXED]", True),
        (Record(0, "act", "deregister", "i-1"), "deregister i-1", False),
        (Record(0, "wait", "healthy_twice", "i-1"), "waiting for healthy twice i-1", False),
        (Record(0, "trouble", "unreachable", detail="no"), "trouble: unreachable: no", False),
        (Record(0, "pause", "soak", detail="why"), "paused: soak: why", True),
        (Record(0, "finish", "upgraded"), "finished: upgraded", True),
    ],
)
def test_a_record_is_told_in_plain_words(record: Record, words: str, stays: bool) -> None:  # noqa: FBT001 (a table)
    assert describe(record) == words
    assert is_milestone(record) is stays
