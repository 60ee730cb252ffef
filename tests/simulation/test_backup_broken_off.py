"""Whatever breaks in the process itself, a full disk, a closed pipe, a defect: users are let in before it ends."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from automation.core.backups.memory import Ending, Memory
from automation.core.backups.sets import Mode, SetState
from automation.ports.errors import Unavailable
from lab.sim.backups import Run, recovered
from lab.sim.safe import MemoryJournal

pytestmark = pytest.mark.simulation


class FullDisk(MemoryJournal):
    """A journal that takes nothing any more after so many entries."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, memory: Memory) -> None:
        """Store, while there is room."""
        if self.room <= 0:
            raise Unavailable("writing the journal of backups failed: database or disk is full")
        self.room -= 1
        super().write(memory)


def entries(cloud, mode: Mode) -> int:
    """Count the entries of an undisturbed backup."""
    estate, journal = cloud.safe(), FullDisk(10_000)
    Run(estate, mode, safe=replace(estate.safe, journal=journal)).play()
    return 10_000 - journal.room


@pytest.mark.parametrize("mode", list(Mode))
def test_a_journal_that_is_full_at_any_entry_leaves_nobody_locked_out_and_no_set_wrongly_complete(cloud, mode):
    endings = set()
    for room in range(entries(cloud, mode)):
        estate = cloud.safe()
        journal = FullDisk(room)
        story = None
        try:
            story = Run(estate, mode, safe=replace(estate.safe, journal=journal)).play()
        except Unavailable:
            endings.add("refused")
        else:
            endings.add(story.memory.outcome.ending)
        assert estate.locked_by is None, room
        journal.room = 10_000
        recovered(estate)
        assert estate.locked_by is None, room
        states = {each.id: each.state for each in estate.safe.manifests.all()}
        assert set(states.values()) <= {SetState.COMPLETE, SetState.INVALID, SetState.PENDING}, room
    assert "refused" in endings, "before the lock the error is raised"
    if mode is Mode.LOCKED:
        assert Ending.INVALID in endings, "under the lock the set is given up"


@pytest.mark.parametrize("error", [BrokenPipeError, KeyboardInterrupt, RuntimeError])
def test_a_board_that_breaks_at_any_record_leaves_nobody_locked_out(cloud, error):
    for number in range(1, 30):
        estate, heard = cloud.safe(), []

        def breaks(record, _memory, number=number, heard=heard):
            heard.append(record)
            if len(heard) == number:
                raise error(f"at record {number}")

        with contextlib.suppress(error):
            Run(estate, before=breaks).play()
        assert estate.locked_by is None, heard[-1]
    assert len(heard) < 29, "every record was broken at once"
