"""TERM, INT and HUP at every moment of a backup: users are let in, and what is begun is completed by the next run."""

from collections import Counter

import pytest

from automation.core.backups.memory import ActName, Ending
from automation.core.backups.sets import Mode, SetState
from automation.engine.backups.shelf import shelf
from automation.ports.errors import Unavailable
from lab.sim.backups import QUICK, Run, recovered
from lab.sim.settings import VaultSettings
from lab.sim.wires import Failing

pytestmark = pytest.mark.simulation

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")


def estate(cloud):
    return cloud.safe(vaults=VaultSettings(disk_completes=12.0, database_completes=8.0, database_begins=0.7))


def asked(cloud, mode):
    """Return how often a calm run asks whether it shall stop."""
    count = Counter()

    def stop():
        count["asked"] += 1
        return ""

    Run(estate(cloud), mode, stop=stop).play()
    return count["asked"]


def signalled(world, mode, at, signal):
    count = iter(range(1_000_000))
    return Run(world, mode, stop=lambda: signal if next(count) >= at else "").play()


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signal_at_any_moment_leaves_users_in_and_a_set_that_is_called_what_it_is(cloud, mode, signal):
    endings = Counter()
    for at in range(asked(cloud, mode)):
        world = estate(cloud)
        story = signalled(world, mode, at, signal)
        outcome = story.memory.outcome
        endings[outcome.ending, outcome.reason] += 1
        assert world.locked_by is None
        assert (outcome.ending is Ending.PENDING) == (not story.memory.is_over)
        world.clock.sleep(60.0)
        found = recovered(world)
        there = shelf(world.safe)
        world.witness.nothing_half_done(there)
        if outcome.ending is Ending.PENDING:
            assert [memory.outcome.ending for memory in found.ended] == [Ending.COMPLETE]
        if outcome.ending is Ending.INVALID:
            assert signal in story.memory.backup.detail
    assert set(endings) <= {(Ending.COMPLETE, ""), (Ending.PENDING, "left"), (Ending.INVALID, "interrupted")}
    assert endings[Ending.PENDING, "left"] > 5, endings
    assert endings[Ending.INVALID, "interrupted"] >= (5 if mode is Mode.LOCKED else 2), endings


@pytest.mark.parametrize("name", [a for a in ActName if a not in {ActName.CANCEL_TASK, ActName.FIND_TOKEN}])
def test_a_signal_that_arrives_during_an_act_is_heard_after_it(cloud, name):
    world, heard = estate(cloud), []

    def note(record, _):
        if record.kind == "act" and record.name == name:
            heard.append(record.name)

    story = Run(world, before=note, stop=lambda: "SIGTERM" if heard else "").play()
    assert heard, "the act was performed"
    assert world.locked_by is None
    after = [r.name for r in story.records if r.kind == "act"]
    assert "begin_members" not in after[after.index(name) + 1 :], "nothing is begun after a signal"


def test_the_next_backup_completes_what_was_left_before_it_takes_its_own(cloud):
    world = estate(cloud)
    left = Run(world, stop=lambda: "SIGTERM" if world.storage.stored and world.locked_by is None else "").play()
    assert left.memory.outcome.ending is Ending.PENDING
    assert world.locked_by is None
    Run(world, finish_first=True).play()
    assert [each.state for each in shelf(world.safe).sets] == [SetState.COMPLETE, SetState.COMPLETE]


def test_an_operator_who_leaves_is_not_held_up_by_a_cloud_that_does_not_answer(cloud):
    world, wire, gone = estate(cloud), Failing(), []

    def lose_the_cloud(record, _):
        if record.name == "members_completed" and not gone:
            gone.append(world.clock.now())
            wire.refused = {"disks.snapshots": [Unavailable("503")] * 9999}

    run = Run(world, safe=wire.over(world.safe), before=lose_the_cloud, stop=lambda: "SIGINT" if gone else "")
    outcome = run.play().memory.outcome
    assert (outcome.ending, outcome.reason) == (Ending.PENDING, "unavailable")
    assert world.clock.now() - gone[0] < 2 * QUICK.poll
