"""Rolls in virtual time without faults: they do what the design says, in order, and leave nothing behind."""

from dataclasses import replace

import pytest

from automation.core.roll import Approval, Ending, Message, MessageKind
from automation.engine.upgrade import make_plan
from lab.sim.rolls import QUICK, Roll, story_lines
from lab.sim.settings import SimSettings

pytestmark = pytest.mark.simulation


def roll(estate, target="7.9.4", *, settings=QUICK, owns_model=True, **hooks):
    estate.witness.floor = estate.settings.nodes - (0 if settings.surge else 1)
    plan = make_plan(estate.world, settings, cluster="sim", target=target, owns_model=owns_model)
    return Roll(estate, estate.world, settings, plan, **hooks).play()


def versions(estate):
    return {n.spec.version for n in estate.bitbucket.nodes.values()}


@pytest.mark.parametrize("nodes", [2, 3, 5])
@pytest.mark.parametrize("owns_model", [True, False])
def test_every_node_is_replaced_once_and_the_upgrade_is_approved(cloud, nodes, owns_model):
    estate = cloud.estate(SimSettings(nodes=nodes))
    story = roll(estate, owns_model=owns_model)
    assert story.outcome.ending is Ending.UPGRADED, "\n".join(story_lines(story))
    assert versions(estate) == {"7.9.4"}
    assert estate.cloud.launches == 2 * nodes
    assert estate.witness.count("deregister") == estate.witness.count("stop_bitbucket") == nodes
    assert estate.witness.count("approve") == 1
    assert not estate.cloud.suspended
    assert estate.bitbucket.window is None
    assert (estate.cloud.desired, estate.cloud.minimum, estate.cloud.maximum) == (nodes, nodes, nodes + 1)


def test_surge_keeps_every_node_serving_and_leaves_no_extra_machine(cloud):
    estate = cloud.estate()
    story = roll(estate, settings=replace(QUICK, surge=True))
    assert story.outcome.ending is Ending.UPGRADED, "\n".join(story_lines(story))
    assert estate.cloud.launches == 6
    assert estate.cloud.desired == 3
    assert estate.serving() == 3


def test_rollback_half_way_returns_to_the_original_and_cancels(cloud):
    estate = cloud.estate()
    plan = make_plan(estate.world, QUICK, cluster="sim", target="7.9.4", owns_model=True)
    stop = {"at": 2}

    def abort_after_two(memory):
        done = sum(key.startswith("replace:") for key in memory.acted)
        return (Message(MessageKind.ABORT, "ops"),) if done >= stop["at"] else ()

    story = Roll(estate, estate.world, QUICK, plan, before=abort_after_two).play()
    assert (story.outcome.ending, story.outcome.reason) == (Ending.PAUSED, "aborted_by_operator")
    assert not estate.cloud.suspended
    assert versions(estate) == {"7.9.0", "7.9.4"}
    story = roll(estate, "7.9.0")
    assert story.outcome.ending is Ending.ROLLED_BACK, "\n".join(story_lines(story))
    assert versions(estate) == {"7.9.0"}
    assert estate.bitbucket.window is None
    assert estate.witness.count("approve") == 0


@pytest.mark.parametrize("surge", [False, True])
def test_an_aborted_roll_first_puts_back_a_capacity_that_somebody_lowered(cloud, surge):
    """As an exchange of a machine leaves it that was cut short between deleting it and ordering another one."""
    estate = cloud.estate()
    settings, lost = replace(QUICK, surge=surge), []

    def lose_one(memory):
        if lost or not any(key.startswith(("register:", "replace:")) for key in memory.acted):
            return ()
        lost.append(estate.cloud.staying()[0])
        fewer = estate.cloud.desired - 1
        estate.cloud.terminate(lost[0], estate.clock.now())
        estate.cloud.desired = fewer  # on Azure it has been lowered by itself
        return (Message(MessageKind.ABORT, "ops"),)

    plan = make_plan(estate.world, settings, cluster="sim", target="7.9.4", owns_model=True)
    story = Roll(estate, estate.world, settings, plan, before=lose_one).play()
    assert (story.outcome.ending, story.outcome.reason) == (Ending.PAUSED, "aborted_by_operator"), story_lines(story)
    assert len(lost) == 1
    assert (estate.cloud.desired, estate.serving()) == (3, 3)


def test_manual_approval_waits_for_a_person(cloud):
    estate = cloud.estate()
    settings = replace(QUICK, approval=Approval.MANUAL)
    waited = []

    def approve_late(memory):
        if memory.waiting and memory.waiting.gate == "approval":
            waited.append(memory.waiting.since)
        return (Message(MessageKind.APPROVE, "alice"),) if len(waited) > 20 else ()

    story = roll(estate, settings=settings, before=approve_late)
    assert story.outcome.ending is Ending.UPGRADED
    assert len(waited) > 20
    assert story.records[-1].subject == "alice"
