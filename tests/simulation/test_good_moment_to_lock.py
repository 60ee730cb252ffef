"""Where one moment is better than another to lock, users work on until it comes."""

from dataclasses import dataclass, field, replace

import pytest

from automation.core.backups.memory import Ending
from automation.ports.errors import Forbidden, Unavailable
from lab.sim.backups import Run
from lab.sim.safe import SafeEstate

pytestmark = pytest.mark.simulation


@dataclass
class Late:
    """Waits, after some troubles; notes whether Bitbucket was locked by then."""

    estate: SafeEstate
    troubles: list[Exception] = field(default_factory=list)
    locked: list[bool] = field(default_factory=list)

    def before_lock(self):
        """Wait a second and a half."""
        self.locked.append(self.estate.locked_by is not None)
        if self.troubles:
            raise self.troubles.pop()
        self.estate.clock.sleep(1.5)


def taken(late):
    safe = replace(late.estate.safe, timing=late)
    return Run(late.estate, safe=safe).play().memory


def test_nobody_is_locked_out_while_it_is_waited_for():
    late = Late(SafeEstate(), [Unavailable("the cloud is busy"), Unavailable("the cloud is busy")])
    memory = taken(late)
    assert (memory.outcome.ending, late.locked) == (Ending.COMPLETE, [False, False, False])
    assert memory.asked == memory.backup.lock.asked
    assert late.estate.witness.locked == [pytest.approx(memory.backup.lock.seconds)]


def test_what_no_waiting_cures_gives_the_set_up_before_anybody_is_locked_out():
    late = Late(SafeEstate(), [Forbidden("the cloud refuses to be asked")])
    memory = taken(late)
    assert (memory.outcome.ending, memory.outcome.reason) == (Ending.INVALID, "forbidden")
    assert "refuses to be asked" in memory.why
    assert (memory.asked, late.estate.witness.locked) == (None, [])
