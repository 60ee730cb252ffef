"""``ports.restoring.RestoreJournal``: what every implementation must do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from automation.adapters.restore_journal import StoredRestores
from automation.adapters.runs.store import Store
from automation.core.restores.generations import Generation
from automation.core.restores.memory import Ending, Memory, Outcome
from automation.core.restores.plan import RestorePlan
from automation.ports.restoring import RestoreJournal
from lab.sim.restore_ports import MemoryRestores

FIRST = RestorePlan(
    "git",
    "march",
    "original",
    set_id="20261121-100000-000",
    generation=Generation("march", ("snap-1",), "db-snap-1"),
    started=1_700_000_000.25,
    suspend=frozenset({"Launch", "AZRebalance"}),
)
SECOND = replace(FIRST, started=FIRST.started + 3600, target="april")


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RestoreJournal]:
    if request.param == "memory":
        yield MemoryRestores()
        return
    stored = StoredRestores(Store(tmp_path / "state"))
    yield stored
    stored.close()


def test_nothing_was_ever_restored(journal):
    assert journal.newest("git") is None


def test_what_was_written_comes_back_as_it_was(journal):
    outcome = Outcome(Ending.PAUSED, "conflict")
    memory = Memory(FIRST, declared=True, stopped=("i-1", "i-2"), outcome=outcome)
    journal.write(memory)
    assert journal.newest("git") == memory


def test_the_newest_memory_of_a_restore_counts(journal):
    journal.write(Memory(FIRST))
    journal.write(Memory(FIRST, declared=True))
    assert journal.newest("git") == Memory(FIRST, declared=True)


def test_the_newest_restore_is_the_one_that_was_planned_last_over_or_not(journal):
    over = Memory(SECOND, outcome=Outcome(Ending.PAUSED, "conflict"))
    journal.write(over)
    journal.write(Memory(FIRST))
    journal.write(Memory(FIRST, declared=True))
    assert journal.newest("git") == over


def test_clusters_are_kept_apart(journal):
    other = Memory(replace(FIRST, cluster="other"))
    journal.write(Memory(FIRST))
    journal.write(other)
    journal.write(Memory(FIRST, declared=True))
    assert (journal.newest("git"), journal.newest("other")) == (Memory(FIRST, declared=True), other)
    assert journal.newest("a third") is None
