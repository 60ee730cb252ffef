"""``ports.journal.Journal``: what every implementation must do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automation.adapters.journal import StoredJournal
from automation.adapters.runs.store import Store
from automation.core.backups.memory import Ending, Memory, Outcome
from automation.core.backups.sets import BackupSet, MemberKind, Mode, SetState, Source
from automation.ports.journal import Journal
from lab.sim.safe import MemoryJournal


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    stored = StoredJournal(Store(tmp_path / "state"))
    yield stored
    stored.close()


def memory(number: int, cluster: str = "git", **more) -> Memory:
    created = 1_700_000_000.0 + number
    backup = BackupSet(f"set-{number}", cluster, Mode.LOCKED, SetState.PENDING, created, expected=("vol-1",))
    source = Source(MemberKind.DISK, "vol-1", role="shared-home", facts={"device": "/dev/sdf"})
    return Memory(backup, sources=(source,), nodes=frozenset({"n1", "n2"}), **more)


OVER: dict[str, Any] = {"outcome": Outcome(Ending.INVALID, "interrupted"), "written": SetState.INVALID}


def test_an_empty_journal(journal):
    assert (journal.unfinished("git"), journal.newest("git")) == ((), ())


def test_what_was_written_comes_back_equal_tokens_included(journal):
    written = memory(1, unlock_token="u-token", cancel_token="c-token", asked=1.5, doing="lock")
    journal.write(written)
    assert journal.unfinished("git") == (written,)


def test_the_newest_memory_of_a_set_counts(journal):
    journal.write(memory(1))
    journal.write(memory(1, begun=True))
    assert [m.begun for m in journal.unfinished("git")] == [True]


def test_what_is_over_is_no_longer_unfinished(journal):
    journal.write(memory(1))
    journal.write(memory(1, **OVER))
    journal.write(memory(2, outcome=Outcome(Ending.LOCKED, "still_locked")))
    journal.write(memory(3, outcome=Outcome(Ending.PENDING, "left")))
    assert [m.backup.id for m in journal.unfinished("git")] == ["set-2", "set-3"]


def test_order_and_limit(journal):
    for number in (2, 3, 1):
        journal.write(memory(number))
    assert [m.backup.id for m in journal.unfinished("git")] == ["set-1", "set-2", "set-3"]
    assert [m.backup.id for m in journal.newest("git", limit=2)] == ["set-3", "set-2"]


def test_clusters_are_kept_apart(journal):
    journal.write(memory(1))
    journal.write(replace(memory(2), backup=replace(memory(2).backup, cluster="other")))
    assert [m.backup.id for m in journal.unfinished("git")] == ["set-1"]
    assert [m.backup.id for m in journal.newest("other")] == ["set-2"]
