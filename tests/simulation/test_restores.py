"""Restores in the pure world: to the end, back again, prepared, called off; what pauses, and goes on."""

import pytest

from automation.core.restores.memory import Act, ActName, Ending
from automation.engine.restores import begin, plan
from automation.engine.restores.acts import perform
from automation.engine.restores.swap import drive
from automation.ports.errors import NotFound, Refused
from lab.sim.restore_ports import restoring
from lab.sim.restore_stories import QUICK, SET, Operator, check_end
from lab.sim.restores import LAUNCH, RestoreWorld

pytestmark = pytest.mark.simulation


@pytest.fixture
def world():
    return RestoreWorld()


@pytest.fixture
def operator(world):
    return Operator(world, restoring(world, (SET,)))


def test_a_restore_brings_every_node_to_the_sets_data_and_nothing_stays_switched_off(world, operator):
    memory = operator.restore("march")
    assert memory.outcome.ending is Ending.RESTORED
    check_end(world, memory, set())
    assert operator.acts == [
        "declare",
        "suspend_processes",
        *["stop_bitbucket"] * 3,
        "activate",
        "prepare_home",
        "allow_launch",
        "replace",
        "end_checking",
        "replace",
        "replace",
        "resume_processes",
    ]


def test_the_way_back_finds_the_old_data_exactly(world, operator):
    operator.restore("march")
    old = world.data["original"]
    left = (old.home, old.rows)
    world.clock.sleep(500.0)
    assert (old.home, old.rows) == left
    assert world.data["march"].rows > 50
    assert operator.undo().outcome.ending is Ending.RESTORED
    assert world.wanted == "original"
    assert old.rows - left[1] == old.home - left[0]
    check_end(world, operator.at.journal.newest("sim"), set())


def test_undo_of_undo_goes_forward_again(world, operator):
    operator.restore("march")
    operator.undo()
    operator.undo()
    assert world.wanted == "march"


def test_prepared_data_waits_beside_the_old_until_it_is_switched_to(world, operator):
    assert operator.restore("march", prepare_only=True).outcome.ending is Ending.PREPARED
    assert world.wanted == "original"
    assert operator.acts == ["declare"]
    assert len(world.serving()) == 3
    assert operator.switch("march").outcome.ending is Ending.RESTORED
    assert world.wanted == "march"


def test_the_set_that_was_prepared_may_be_swapped_in_by_the_whole_command_too(world, operator):
    operator.restore("march", prepare_only=True)
    assert operator.restore("march").outcome.ending is Ending.RESTORED


def test_a_node_that_does_not_stop_pauses_before_the_swap_and_the_restore_can_be_called_off(world, operator):
    world.hanging_stops = 99
    memory = drive(operator.at, QUICK, begin.begin(plan.prospect(operator.at, SET, "march", cluster="sim")))
    assert (memory.outcome.ending, memory.outcome.reason) == (Ending.PAUSED, "unexpected")
    assert "stop_bitbucket i-0001: stopping Bitbucket on i-0001 failed" in memory.outcome.detail
    assert world.wanted == "original"
    world.hanging_stops = 0
    assert operator.undo().outcome.ending is Ending.CALLED_OFF
    world.clock.sleep(200.0)
    assert len(world.serving()) == 3
    assert not world.suspended


def test_a_call_off_starts_every_node_again(world, operator):
    seen = []

    def hang_after_two(record, _):
        seen.append(record.name)
        world.hanging_stops = 1 if seen.count("stop_bitbucket") == 2 else 0

    start = begin.begin(plan.prospect(operator.at, SET, "march", cluster="sim"))
    assert drive(operator.at, QUICK, start, tell=hang_after_two).outcome.ending is Ending.PAUSED
    assert len(world.serving()) == 1
    assert operator.undo().outcome.ending is Ending.CALLED_OFF
    world.clock.sleep(200.0)
    assert len(world.serving()) == 3
    assert world.launches == 3


def test_a_new_node_that_does_not_come_pauses_with_its_name_and_the_same_command_goes_on(world, operator):
    world.broken_starts = 1
    memory = drive(operator.at, QUICK, begin.begin(plan.prospect(operator.at, SET, "march", cluster="sim")))
    assert (memory.outcome.reason, memory.outcome.detail) == ("node_not_serving", "i-0004 does not serve; see its log")
    world.terminate(world.machines["i-0004"])
    assert operator.restore("march").outcome.ending is Ending.RESTORED
    assert world.data["march"].checking is False


def test_another_restore_is_refused_while_nodes_are_stopped_for_one(world, operator):
    world.broken_starts = 1
    drive(operator.at, QUICK, begin.begin(plan.prospect(operator.at, SET, "march", cluster="sim")))
    with pytest.raises(Refused) as refused:
        begin.going_on(operator.at, "sim", "april", "another")
    assert refused.value.name == "restore_under_way"


def test_processes_that_were_off_before_stay_off(world, operator):
    world.suspended = {"AZRebalance"}
    operator.restore("march")
    assert world.suspended == {"AZRebalance"}


def test_without_a_restore_there_is_no_way_back(operator):
    with pytest.raises(NotFound, match=r"no restore has swapped this cluster's data \(name the data to use"):
        begin.backwards(operator.at, "sim")


def refusal(operator, world, change):
    change(world)
    return plan.prospect(operator.at, SET, "march", cluster="sim").refused


def test_a_group_that_makes_no_machines_is_refused_before_anybody_is_locked_out(operator, world):
    found = refusal(operator, world, lambda w: w.suspended.update(LAUNCH))
    assert found.name == "machines_can_launch"


def test_a_machine_that_cannot_be_commanded_is_refused_before_anybody_is_locked_out(operator, world):
    found = refusal(operator, world, lambda w: setattr(w.machines["i-0002"], "commandable", False))
    assert (found.name, found.detail) == ("commandable", "machine i-0002 cannot be commanded")


def test_a_group_without_machines_is_restored_too(world, operator):
    world.desired = 0
    for machine in world.staying():
        world.terminate(machine)
    world.clock.sleep(60.0)
    assert operator.restore("march").outcome.ending is Ending.RESTORED
    assert world.data["march"].checking is False


def test_a_version_that_is_still_to_be_rolled_is_refused_before_anything_is_made(operator, world, monkeypatch):
    monkeypatch.setattr(operator.at.program, "version", lambda: "7.9.4")
    found = refusal(operator, world, lambda _: None)
    assert (found.name, found.detail) == (
        "no_open_roll",
        "the stack wants 7.9.4, new nodes get 7.9.0: finish that roll first",
    )
    prepared = plan.prospect(operator.at, SET, "march", cluster="sim", prepare_only=True)
    assert prepared.refused.name == "no_open_roll"


# --- where machines are renewed in place ----------------------------------------------------------------------------


@pytest.fixture
def standing():
    return RestoreWorld(in_place=True)


def test_a_renewed_node_keeps_its_address_and_its_place_in_the_balancer(standing):
    before = {machine.address for machine in standing.staying()}
    operator = Operator(standing, restoring(standing, (SET,)))
    check_end(standing, operator.restore("march"), set())
    assert {machine.address for machine in standing.serving()} == before == standing.pool
    assert "register" not in operator.acts
    assert not set(operator.at.group.disturbing()) & standing.suspended


def test_a_renewal_that_fails_minutes_later_is_ordered_again(standing):
    standing.failing_renewals = 2
    operator = Operator(standing, restoring(standing, (SET,)))
    check_end(standing, operator.restore("march"), set())
    assert operator.acts.count("replace") == 5


def test_the_way_back_has_as_many_nodes_as_there_were_before_the_restore_that_it_takes_back(standing):
    operator = Operator(standing, restoring(standing, (SET,)))
    standing.broken_starts = 1
    first = drive(operator.at, QUICK, begin.begin(plan.prospect(operator.at, SET, "march", cluster="sim")))
    assert first.outcome.reason == "node_not_serving"
    for machine in standing.staying():
        standing.lose(machine)
    standing.clock.sleep(60.0)
    assert standing.desired == 0
    check_end(standing, operator.undo(), set())
    assert (standing.wanted, len(standing.serving())) == ("original", 3)
    assert {machine.address for machine in standing.serving()} == standing.pool


def test_a_capacity_that_somebody_has_raised_further_is_not_lowered():
    world = RestoreWorld(in_place=True)
    at = restoring(world, (SET,))
    memory = begin.begin(plan.prospect(at, SET, "march", cluster=SET.cluster))
    for there, then in ((memory.plan.nodes + 2, memory.plan.nodes + 2), (memory.plan.nodes - 1, memory.plan.nodes)):
        world.desired = there
        perform(at, memory, Act(ActName.RESIZE, str(memory.plan.nodes)))
        assert world.desired == then
