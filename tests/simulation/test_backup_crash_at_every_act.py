"""kill -9 around every act and at every call, as the backups themselves list them; then ``recover``, or the next run.

Either way Bitbucket ends unlocked, no set is wrongly complete, nothing stays pending, and no snapshot is unlisted.
"""

from dataclasses import replace

import pytest

from automation.core.backups.memory import ActName, Ending
from automation.core.backups.sets import MemberKind, Mode, SetState
from automation.engine.backups.shelf import shelf
from automation.ports.errors import Unavailable
from lab.sim.backups import QUICK, MortalJournal, Run, recovered
from lab.sim.flavours import BOTH
from lab.sim.settings import VaultSettings
from lab.sim.wires import Failing, Mortal

pytestmark = pytest.mark.simulation

HASTY = replace(QUICK, lock_budget=4.0)


def locked(estate, safe):
    return Run(estate, safe=safe)


def zero_downtime(estate, safe):
    return Run(estate, Mode.ZERO_DOWNTIME, safe=safe)


def a_member_fails(estate, safe):
    estate.storage.limits.failing.append(MemberKind.DISK)
    return Run(estate, safe=safe)


def the_quota_is_spent(estate, safe):
    estate.storage.limits.quota = 2
    return Run(estate, safe=safe)


def the_lock_has_no_answer(estate, safe):
    return Run(estate, safe=Failing(lost={"maintenance.lock": 1}).over(safe))


def it_never_drains(estate, safe):
    estate.bitbucket.fault("drain_never")
    return Run(estate, settings=HASTY, safe=safe)


def somebody_cancels_the_task(estate, safe):
    estate.bitbucket.fault("task_cancelled", at="drained")
    return Run(estate, safe=safe)


def somebody_frees_the_lock(estate, safe):
    estate.bitbucket.fault("lock_lost", at="drained")
    return Run(estate, safe=safe)


def unlocking_takes_three_tries(estate, safe):
    lost = [Unavailable("503"), Unavailable("503")]
    return Run(estate, safe=Failing({"maintenance.unlock": lost}, {"maintenance.unlock": 3}).over(safe))


def answers_of_the_snapshots_are_lost(estate, safe):
    return Run(estate, safe=Failing(lost={"disks.begin": 1, "database.begin": 1}).over(safe))


STORIES = {
    f.__name__: f
    for f in (
        locked,
        zero_downtime,
        a_member_fails,
        the_quota_is_spent,
        the_lock_has_no_answer,
        it_never_drains,
        somebody_cancels_the_task,
        somebody_frees_the_lock,
        unlocking_takes_three_tries,
        answers_of_the_snapshots_are_lost,
    )
}


def estate(cloud):
    return cloud.safe(vaults=VaultSettings(home_volumes=1, mesh_volumes=1, disk_completes=12.0, database_completes=8.0))


def journalled(cloud, story):
    """Play a story once without a crash; return what each write of its journal was about to do."""
    calm = estate(cloud)
    journal = MortalJournal(calm.journal, at=-1, after=False)
    STORIES[story](calm, replace(calm.safe, journal=journal)).play()
    return journal.doing


def announced(cloud, story):
    """Return the writes that announce an act, each with its name; the write after it brings the result."""
    doing = journalled(cloud, story)
    return [(at, name) for at, name in enumerate(doing) if name and name != doing[at - 1]]


CRASHES = [(cloud, story, at, name) for cloud in BOTH for story in STORIES for at, name in announced(cloud, story)]
AT = pytest.mark.parametrize(("cloud", "story", "at", "name"), CRASHES, ids=lambda each: getattr(each, "name", None))


def test_the_stories_together_perform_every_act_there_is():
    assert {name for _, _, _, name in CRASHES} == {str(name) for name in ActName}


def crash(cloud, story, at, *, after):
    """Let a process die at one of its journal's writes."""
    world = estate(cloud)
    journal = MortalJournal(world.journal, at=at, after=after)
    played = STORIES[story](world, replace(world.safe, journal=journal)).play()
    assert played.memory is None, "it did not die"
    world.clock.sleep(20.0)
    return world


def somebody_repairs(world):
    world.bitbucket.faults.clear()
    world.storage.limits.quota = None
    world.storage.limits.failing.clear()


def nothing_is_left(world):
    assert world.locked_by is None
    assert world.journal.unfinished(world.cluster) == ()
    there = shelf(world.safe)
    world.witness.left_behind(there)
    world.witness.nothing_half_done(there)
    return there


@AT
@pytest.mark.parametrize(
    ("write", "after"),
    [
        pytest.param(0, False, id="before it was announced"),
        pytest.param(0, True, id="before it was done"),
        pytest.param(1, False, id="before it was remembered"),
        pytest.param(1, True, id="after it"),
    ],
)
def test_recover_frees_bitbucket_and_ends_the_set(cloud, story, at, name, write, after):  # noqa: PLR0917 -- a crash's place
    world = crash(cloud, story, at + write, after=after)
    could_go_on = [memory.waits_for_cloud and not memory.stopping for memory in world.journal.unfinished("sim")]
    found = recovered(world)
    assert found.owner is None
    nothing_is_left(world)
    if could_go_on == [True] and not story.startswith("a_member_fails"):
        assert [memory.outcome.ending for memory in found.ended] == [Ending.COMPLETE]


@AT
def test_the_next_run_frees_bitbucket_and_takes_a_good_set(cloud, story, at, name):
    for write, after in ((0, True), (1, False)):
        world = crash(cloud, story, at + write, after=after)
        somebody_repairs(world)
        played = Run(world, finish_first=True).play()
        assert played.memory.outcome.ending is Ending.COMPLETE, "\n".join(played.lines())
        there = nothing_is_left(world)
        assert there.find(played.memory.backup.id).state is SetState.COMPLETE


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "before its answer"])
@pytest.mark.parametrize("story", ["locked", "zero_downtime", "the_lock_has_no_answer", "a_member_fails"])
def test_a_death_at_any_call_to_the_outside_is_recovered_from(cloud, story, after):
    calm, count = estate(cloud), Mortal(-1, after=False)
    STORIES[story](calm, count.over(calm.safe)).play()
    for at in range(len(count.calls)):
        world = estate(cloud)
        assert STORIES[story](world, Mortal(at, after=after).over(world.safe)).play().memory is None
        recovered(world)
        nothing_is_left(world)


def test_a_process_that_dies_while_it_recovers_is_recovered_from(cloud):
    for at in range(len(journalled(cloud, "locked"))):
        world = crash(cloud, "locked", at, after=True)
        for again in range(12):
            journal = MortalJournal(world.journal, at=again, after=True)
            Run(world, safe=replace(world.safe, journal=journal), finish_first=True).play()
            world.clock.sleep(20.0)
        recovered(world)
        nothing_is_left(world)
