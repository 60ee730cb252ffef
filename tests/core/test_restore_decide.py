"""Each gate of a restore: it does no harm, and it does not get stuck."""

from dataclasses import replace

import pytest

from automation.core.capabilities import AZURE
from automation.core.cluster import Instance, InstanceState, NodeGroup
from automation.core.restores.decide import awaited, decide
from automation.core.restores.generations import Generation
from automation.core.restores.memory import Act, ActName, Ending, Memory, RestoreSettings, Sight, Wait
from automation.core.restores.plan import RestorePlan

SETTINGS = RestoreSettings(stop_timeout=100.0, boot_timeout=200.0)
PLAN = RestorePlan("alpha", "march", "original", generation=Generation("march", ("snap-1",), "db-1"))
FRESH = Memory(PLAN)
STOPPING = replace(FRESH, declared=True, suspended=True)
STOPPED = replace(STOPPING, stopped=("i-1", "i-2"), stopping_since=0.0)
SWAPPED = replace(STOPPED, activated=10.0, prepared=True, launching=True)


def machine(name, state=InstanceState.IN_SERVICE):
    return Instance(name, f"10.0.0.{name[-1]}", state, "7.9.0")


def sight(*machines, at=10.0, desired=2, statuses=(), serving=()):
    group = NodeGroup("alpha", desired, 0, 3, "7.9.0", machines)
    return Sight(at, group, dict.fromkeys(statuses, "RUNNING"), frozenset(serving))


TWO = (machine("i-1"), machine("i-2"))


def test_the_data_is_made_before_anybody_is_locked_out():
    assert decide(FRESH, sight(*TWO), SETTINGS) == Act(ActName.DECLARE, "march")


def test_prepared_data_is_left_there():
    memory = Memory(replace(PLAN, prepare_only=True), declared=True)
    assert decide(memory, sight(*TWO), SETTINGS).outcome.ending is Ending.PREPARED


def test_data_that_is_there_is_not_declared():
    assert decide(Memory(replace(PLAN, generation=None)), sight(*TWO), SETTINGS) == Act(ActName.SUSPEND_PROCESSES)


def test_no_machine_may_come_or_go_before_the_first_stop():
    assert decide(replace(FRESH, declared=True), sight(*TWO), SETTINGS) == Act(ActName.SUSPEND_PROCESSES)


def test_every_machine_is_stopped_even_one_that_answers_nothing():
    assert decide(STOPPING, sight(*TWO), SETTINGS) == Act(ActName.STOP_BITBUCKET, "i-1")
    assert decide(replace(STOPPING, stopped=("i-1",)), sight(*TWO), SETTINGS) == Act(ActName.STOP_BITBUCKET, "i-2")


@pytest.mark.parametrize("state", list(InstanceState))
def test_nothing_is_swapped_while_a_node_answers(state):
    seen = sight(machine("i-1"), machine("i-2", state), statuses=["i-2"])
    assert decide(STOPPED, seen, SETTINGS) == Wait("all_stopped", "i-2")


def test_nothing_is_swapped_while_a_machine_that_was_never_stopped_is_going():
    seen = sight(*TWO, machine("i-3", InstanceState.TERMINATING))
    assert decide(STOPPED, seen, SETTINGS) == Wait("all_stopped", "i-3")


def test_a_node_that_never_stops_pauses_the_restore_by_name():
    late = sight(*TWO, at=100.1, statuses=["i-2"])
    outcome = decide(STOPPED, late, SETTINGS).outcome
    assert (outcome.ending, outcome.reason) == (Ending.PAUSED, "still_running")
    assert outcome.detail == "Bitbucket still runs on i-2; nothing was swapped"


def test_once_all_are_silent_the_data_is_swapped():
    assert decide(STOPPED, sight(*TWO), SETTINGS) == Act(ActName.ACTIVATE, "march")
    assert decide(STOPPED, sight(machine("i-1")), SETTINGS) == Act(ActName.ACTIVATE, "march")


def test_no_node_starts_before_the_home_is_prepared_and_the_first_new_one_checks_it():
    swapped = replace(STOPPED, activated=10.0)
    assert decide(swapped, sight(*TWO), SETTINGS) == Act(ActName.PREPARE_HOME)
    assert decide(replace(swapped, prepared=True), sight(*TWO), SETTINGS) == Act(ActName.ALLOW_LAUNCH)
    assert decide(SWAPPED, sight(*TWO), SETTINGS) == Act(ActName.REPLACE, "i-1", "7.9.0")


@pytest.mark.parametrize(
    ("machines", "serving", "missing"),
    [
        ((machine("i-2"), machine("i-3")), (), "i-3"),
        ((machine("i-2"), machine("i-3", InstanceState.PENDING)), (), "i-3"),
        ((machine("i-2"),), (), "the next machine"),
        ((machine("i-2"), machine("i-1", InstanceState.TERMINATING)), (), "the next machine"),
        ((machine("i-2"), machine("i-3"), machine("i-4")), ("i-3",), "i-4"),
    ],
)
def test_no_further_node_is_replaced_while_one_is_on_its_way(machines, serving, missing):
    memory, seen = replace(SWAPPED, replaced=("i-1",)), sight(*machines, serving=serving)
    assert awaited(memory, seen) == missing
    assert decide(memory, seen, SETTINGS) == Wait("node_serving", missing)


def test_a_machine_that_was_told_to_go_and_is_still_listed_is_not_told_again():
    memory = replace(SWAPPED, replaced=("i-1",))
    assert decide(memory, sight(*TWO), SETTINGS) == Wait("node_serving", "the next machine")


def test_a_node_that_never_serves_pauses_the_restore_by_name():
    memory = replace(SWAPPED, replaced=("i-1",), waiting_since=10.0)
    seen = sight(machine("i-2"), machine("i-3"), at=210.1)
    outcome = decide(memory, seen, SETTINGS).outcome
    assert (outcome.reason, outcome.detail) == ("node_not_serving", "i-3 does not serve; see its log")


def test_checking_ends_as_soon_as_the_first_node_serves():
    seen = sight(machine("i-2"), machine("i-3"), serving=["i-3"])
    memory = replace(SWAPPED, replaced=("i-1",))
    assert decide(memory, seen, SETTINGS) == Act(ActName.END_CHECKING)
    after = replace(memory, checking_ended=True)
    assert decide(after, seen, SETTINGS) == Act(ActName.REPLACE, "i-2", "7.9.0")


def test_the_end_switches_the_groups_processes_on_and_leaves_no_checking():
    done = replace(SWAPPED, replaced=("i-1", "i-2"))
    seen = sight(machine("i-3"), machine("i-4"), serving=["i-3", "i-4"])
    assert decide(done, seen, SETTINGS) == Act(ActName.END_CHECKING)
    done = replace(done, checking_ended=True)
    assert decide(done, seen, SETTINGS) == Act(ActName.RESUME_PROCESSES)
    assert decide(replace(done, resumed=True), seen, SETTINGS).outcome.ending is Ending.RESTORED


def test_a_group_of_no_machines_comes_to_its_end():
    nobody = sight(desired=0)
    assert decide(SWAPPED, nobody, SETTINGS) == Act(ActName.END_CHECKING)
    assert decide(replace(SWAPPED, checking_ended=True), nobody, SETTINGS) == Act(ActName.RESUME_PROCESSES)


def test_a_restore_that_is_called_off_starts_every_node_and_asks_nothing_of_them():
    memory = replace(STOPPING, stopped=("i-1",), calling_off=True)
    assert decide(memory, sight(*TWO), SETTINGS) == Act(ActName.START_BITBUCKET, "i-1")
    memory = replace(memory, started=("i-1", "i-2"))
    assert decide(memory, sight(*TWO), SETTINGS) == Act(ActName.RESUME_PROCESSES)
    assert decide(replace(memory, resumed=True), sight(*TWO), SETTINGS).outcome.ending is Ending.CALLED_OFF


@pytest.mark.parametrize(
    ("status", "at", "wanted"),
    [
        (None, 20.0, Wait("node_up", "i-1")),
        ("STARTING", 20.0, Wait("node_up", "i-1")),
        ("RUNNING", 20.0, Act(ActName.START_BITBUCKET, "i-2")),
        ("ERROR", 20.0, Act(ActName.START_BITBUCKET, "i-2")),
        ("STARTING", 310.1, Act(ActName.START_BITBUCKET, "i-2")),
    ],
)
def test_a_restore_that_is_called_off_starts_no_two_nodes_together(status, at, wanted):
    memory = replace(STOPPING, stopped=("i-1", "i-2"), started=("i-1",), calling_off=True, waiting_since=10.0)
    seen = replace(sight(*TWO, at=at), statuses={"i-1": status, "i-2": None})
    assert decide(memory, seen, SETTINGS) == wanted


def test_a_node_that_is_gone_is_not_waited_for():
    memory = replace(STOPPING, started=("i-1",), calling_off=True, waiting_since=10.0)
    assert decide(memory, sight(machine("i-2")), SETTINGS) == Act(ActName.START_BITBUCKET, "i-2")


def test_a_restore_that_is_called_off_before_the_first_stop_starts_nothing():
    memory = replace(FRESH, declared=True, calling_off=True)
    assert decide(memory, sight(*TWO), SETTINGS) == Act(ActName.RESUME_PROCESSES)


# --- where machines are renewed in place, nobody registers them, and deleting one lowers the capacity ---------------

RENEWED = replace(SWAPPED, plan=replace(PLAN, nodes=2), replaced=("i-1",))


def elsewhere(seen, joined=(), registered=()):
    return replace(seen, capabilities=AZURE, joined=frozenset(joined), registered=frozenset(registered))


def test_a_new_node_is_registered_as_soon_as_it_has_joined_and_not_before():
    seen = sight(machine("i-2"), machine("i-3"))
    assert decide(RENEWED, elsewhere(seen), SETTINGS) == Wait("node_serving", "i-3")
    assert decide(RENEWED, elsewhere(seen, joined=["i-3"]), SETTINGS) == Act(ActName.REGISTER, "i-3")
    known = elsewhere(seen, joined=["i-3"], registered=["i-3"])
    assert decide(RENEWED, known, SETTINGS) == Wait("node_serving", "i-3")


def test_nobody_is_registered_where_the_cloud_does_it():
    seen = replace(sight(machine("i-2"), machine("i-3")), joined=frozenset({"i-3"}))
    assert decide(RENEWED, seen, SETTINGS) == Wait("node_serving", "i-3")


def test_an_old_node_is_not_registered():
    seen = elsewhere(sight(machine("i-2"), machine("i-3"), serving=["i-3"]), joined=["i-2", "i-3"], registered=["i-3"])
    assert decide(replace(RENEWED, checking_ended=True), seen, SETTINGS) == Act(ActName.REPLACE, "i-2", "7.9.0")


def test_a_deleted_machine_gets_its_successor_once_the_model_is_the_new_one():
    memory, seen = replace(RENEWED, replaced=()), elsewhere(sight(machine("i-1"), desired=1))
    assert decide(replace(memory, launching=False), seen, SETTINGS) == Act(ActName.ALLOW_LAUNCH)
    assert decide(memory, seen, SETTINGS) == Act(ActName.RESIZE, "2")
    raised = elsewhere(sight(machine("i-1"), desired=2))
    assert decide(memory, raised, SETTINGS) == Wait("node_serving", "the next machine")


def test_a_group_that_keeps_its_capacity_is_not_resized():
    memory = replace(RENEWED, plan=replace(PLAN, nodes=3), replaced=())
    assert decide(memory, sight(*TWO), SETTINGS) == Act(ActName.REPLACE, "i-1", "7.9.0")


@pytest.mark.parametrize("state", [InstanceState.IN_SERVICE, InstanceState.UNKNOWN])
def test_an_order_that_failed_later_is_given_again(state):
    memory, there = replace(RENEWED, waiting_since=10.0), (machine("i-2"), machine("i-1", state))
    assert decide(memory, elsewhere(sight(*there, at=69.0)), SETTINGS) == Wait("node_serving", "the next machine")
    assert decide(memory, elsewhere(sight(*there, at=71.0)), SETTINGS) == Act(ActName.REPLACE, "i-1", "7.9.0")


def test_a_machine_that_goes_is_not_told_again():
    memory = replace(RENEWED, waiting_since=10.0)
    seen = elsewhere(sight(machine("i-2"), machine("i-1", InstanceState.TERMINATING), at=100.0))
    assert decide(memory, seen, SETTINGS) == Wait("node_serving", "the next machine")


def test_nobody_is_told_again_while_another_node_comes_or_checking_is_on():
    memory = replace(RENEWED, waiting_since=10.0)
    there = (machine("i-1"), machine("i-2"), machine("i-3"))
    coming = elsewhere(sight(*there, at=100.0, desired=3))
    assert decide(memory, coming, SETTINGS) == Wait("node_serving", "i-3")
    serving = elsewhere(sight(*there, at=100.0, desired=3, serving=["i-3"]))
    assert decide(memory, serving, SETTINGS) == Act(ActName.END_CHECKING)
    assert decide(replace(memory, checking_ended=True), serving, SETTINGS) == Act(ActName.REPLACE, "i-1", "7.9.0")


def test_an_order_that_always_fails_pauses_the_restore():
    memory = replace(RENEWED, waiting_since=10.0)
    seen = elsewhere(sight(machine("i-2"), machine("i-1", InstanceState.TERMINATING), at=210.1))
    assert decide(memory, seen, SETTINGS).outcome.reason == "node_not_serving"
