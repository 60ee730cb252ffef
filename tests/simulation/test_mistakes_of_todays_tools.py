"""Each thing that the tools of today get wrong (facts: the rolling-upgrade API), as a test of ours by name."""

from dataclasses import replace

import pytest

from automation.core.roll import Ending, Message, MessageKind
from automation.core.versions import same_version
from automation.engine.upgrade import make_plan
from lab.bitbucket.records import Upgrade
from lab.sim.rolls import QUICK, Roll, story_lines

pytestmark = pytest.mark.simulation


def plan_for(estate, target="7.9.4", settings=QUICK, **more):
    return make_plan(estate.world, settings, cluster="sim", target=target, owns_model=True, **more)


def play(estate, target="7.9.4", *, settings=QUICK, previous=None, before=lambda _: (), dies=lambda _: False):
    plan = plan_for(estate, target, settings, previous=previous)
    return Roll(estate, estate.world, settings, plan, before, dies).play()


def names(story):
    return [(record.kind, record.name) for record in story.records]


def test_approves_with_two_of_three_nodes_because_the_state_said_ready(cloud):
    """READY_TO_RUN_UPGRADE_TASKS means that no live old node is left, not that all nodes are new."""
    estate, told = cloud.estate(), []

    def lose_the_old_ones(_):
        live, now = estate.bitbucket.nodes.values(), estate.clock.now()
        serving = {m.id for m in estate.cloud.machines.values() if estate.cloud.is_serving(m, now)}
        if any(same_version(n.spec.version, "7.9.4") and n.spec.id in serving for n in live):
            estate.cloud.launch_blocked_until = float("inf")
            for node in [n for n in live if not same_version(n.spec.version, "7.9.4")]:
                estate.cloud.terminate(estate.cloud.machines[node.spec.id], estate.clock.now())
        told.append((estate.bitbucket.upgrade_state(), len(estate.bitbucket.nodes)))
        return ()

    story = play(estate, before=lose_the_old_ones)
    assert (Upgrade.READY_TO_RUN_UPGRADE_TASKS, 1) in told, "the trap was set"
    # On Azure the machines that cannot be made are listed all the same.
    reason = "replacement_launched" if cloud.capabilities.registers_by_itself else "never_joined"
    assert (story.outcome.ending, story.outcome.reason) == (Ending.PAUSED, reason)
    assert estate.witness.count("approve") == 0


def test_leaves_upgrade_mode_on_and_capacity_short_after_a_failed_first_node(cloud):
    """Going back after the failure ends in STABLE on the old version with the capacity there was."""
    estate, none = cloud.estate(), replace(QUICK, failure_budget=0)
    estate.bitbucket.fault("boot_error", times=1)
    failed = play(estate, settings=none)
    assert (failed.outcome.ending, failed.outcome.reason) == (Ending.PAUSED, "node_in_error")
    back = play(estate, "7.9.0", previous=failed.memory.plan)
    assert back.outcome.ending is Ending.ROLLED_BACK, "\n".join(story_lines(back))
    assert estate.bitbucket.window is None
    assert estate.bitbucket.upgrade_state() is Upgrade.STABLE
    assert estate.cloud.desired == estate.serving() == 3


def test_terminates_without_draining_http_and_ssh(cloud):
    """The witness objects to a stop before both target groups have drained; the record shows the wait."""
    estate = cloud.estate()
    story = play(estate)
    drained = [r for r in story.records if r.name == "drained"]
    assert len(drained) == 3
    assert all("http: draining" in r.detail for r in drained)
    if cloud.capabilities.registers_by_itself:  # elsewhere sessions have ended when the gateway has been updated
        assert all("ssh: draining" in r.detail for r in drained)


@pytest.mark.parametrize("fault", ["first_run"])
def test_takes_http_200_of_status_for_healthy(cloud, fault):
    """FIRST_RUN and MAINTENANCE answer 200 and satisfy a balancer that can only match codes."""
    estate = cloud.estate()

    def break_after_first(_):
        if estate.cloud.launches == 4 and fault not in estate.bitbucket.faults:
            estate.bitbucket.fault(fault)
        return ()

    story = play(estate, before=break_after_first)
    assert story.outcome.ending is Ending.PAUSED
    assert estate.witness.count("approve") == 0
    assert estate.witness.count("deregister") <= 3, "it did not go on to the next old node"
    assert sum(same_version(n.spec.version, "7.9.0") for n in estate.bitbucket.nodes.values()) == 2


def test_returns_before_the_roll_is_over(cloud):
    """Success is said only when upgrade mode is off, the cluster STABLE, and every node proven."""
    estate = cloud.estate()
    story = play(estate)
    assert names(story)[-1] == ("finish", "upgraded")
    assert estate.bitbucket.upgrade_state() is Upgrade.STABLE
    assert estate.bitbucket.window is None
    assert len(story.memory.proven) == estate.serving() == 3


def test_loses_the_roll_with_the_process(cloud):
    """A process that dies after every single act still gets there, from the last memory and the world."""
    estate, acts = cloud.estate(), []

    def every_second(step):
        if step.record.kind == "act":
            acts.append(step.record.name)
        return step.record.kind == "act" and len(acts) % 2 == 1

    story = play(estate, dies=every_second)
    assert story.outcome.ending is Ending.UPGRADED
    assert estate.cloud.launches == 6


def test_inflates_desired_capacity_when_run_again(cloud):
    """A second run of a roll with a surge machine takes over the first one's plan, not its inflated capacity."""
    estate, surge = cloud.estate(), replace(QUICK, surge=True)
    estate.witness.floor = 3

    def abort(_):
        return (Message(MessageKind.ABORT, "ops"),) if estate.cloud.launches == 4 else ()

    first = play(estate, settings=surge, before=abort)
    assert first.outcome.reason == "aborted_by_operator"
    assert estate.cloud.desired == 4, "the surge machine is there"
    second = play(estate, settings=surge, previous=first.memory.plan)
    assert second.outcome.ending is Ending.UPGRADED, "\n".join(story_lines(second))
    assert (estate.cloud.desired, estate.cloud.maximum, estate.serving()) == (3, 4, 3)


def test_goes_on_to_the_next_node_after_a_failed_check(cloud):
    """With the budget spent the roll pauses under the failure's name; the other old nodes are untouched."""
    estate = cloud.estate()
    estate.bitbucket.fault("never_joins", times=5)
    story = play(estate)
    assert (story.outcome.ending, story.outcome.reason) == (Ending.PAUSED, "never_joined")
    assert sum(same_version(n.spec.version, "7.9.0") for n in estate.bitbucket.nodes.values()) == 2


def test_rolls_back_to_the_same_bad_version_because_the_model_was_changed_first(cloud):
    """Going back changes the model before any node; and going forward opens upgrade mode before the model."""
    estate = cloud.estate()

    def abort(_):
        return (Message(MessageKind.ABORT, "ops"),) if estate.cloud.launches == 4 else ()

    there = play(estate, before=abort)
    acts = [record.name for record in there.records if record.kind == "act"]
    assert acts.index("start_upgrade") < acts.index("set_model") < acts.index("deregister")
    back = play(estate, "7.9.0", previous=there.memory.plan)
    acts = [record.name for record in back.records if record.kind == "act"]
    assert acts.index("set_model") < acts.index("deregister")
    assert {n.spec.version for n in estate.bitbucket.nodes.values()} == {"7.9.0"}


def test_status_running_is_not_joined_a_lone_node_is_stopped_at_once(cloud):
    """A new node that finds nobody runs alone on the shared database: /status says RUNNING, and it must go."""
    estate = cloud.estate()
    estate.bitbucket.fault("alone", times=1)
    split = []

    def watch(_):
        if estate.bitbucket.is_split:
            split.append(estate.clock.now())
        return ()

    story = play(estate, before=watch)
    assert story.outcome.ending is Ending.UPGRADED, "\n".join(story_lines(story))
    assert ("act", "condemn") in names(story)
    assert split, "the trap was set"
    assert split[-1] - split[0] <= 3 * QUICK.poll
    assert not estate.bitbucket.is_split


def test_a_ghost_does_not_hold_up_approval_for_ever(cloud):
    """Replaced nodes stay listed OFFLINE until approve: 'all nodes ACTIVE' never comes true."""
    estate, ghosts = cloud.estate(), []

    def watch(_):
        view = estate.bitbucket.cluster_view(estate.clock.now())
        ghosts.append(sum(n["state"] == "OFFLINE" for n in view["nodes"]))
        return ()

    story = play(estate, before=watch)
    # A machine that is renewed in its place comes back at its address, and leaves no ghost.
    assert max(ghosts) == (3 if cloud.capabilities.registers_by_itself else 1)
    assert story.outcome.ending is Ending.UPGRADED
