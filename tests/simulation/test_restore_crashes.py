"""kill -9 around every write of a restore's journal, and between all steps of the program: the same command goes on."""

import pytest

from automation.core.restores.memory import ActName, Ending
from automation.engine.restores import begin, plan
from automation.engine.restores.swap import drive
from lab.sim.restore_ports import Died, restoring
from lab.sim.restore_stories import QUICK, SET, Operator, check_end
from lab.sim.restores import RestoreWorld

pytestmark = pytest.mark.simulation


def forward(operator):
    return operator.restore("march")


def prepared(operator):
    operator.restore("march", prepare_only=True)
    return operator.switch("march")


def there_and_back(operator):
    operator.restore("march")
    return operator.undo()


def called_off(operator):
    """A node does not stop: the operator gives the restore up."""
    paused = None
    while paused is None:
        operator.world.hanging_stops = 1
        left = begin.going_on(operator.at, "sim", "march", SET.id)
        left = left or begin.begin(plan.prospect(operator.at, SET, "march", cluster="sim"))
        try:
            paused = drive(operator.at, QUICK, left, tell=operator.hear)
        except Died:
            operator.world.clock.sleep(3.0)
    assert paused.outcome.ending is Ending.PAUSED
    operator.world.hanging_stops = 0
    return operator.undo()


def with_a_machine_less(operator):
    """Somebody deletes a machine while Bitbucket is stopped; the way back then has as many nodes as before."""
    lost = []

    def delete_one(record, _):
        if record.name == "prepare_home" and not lost:
            lost.append(operator.world.staying()[0])
            operator.world.lose(lost[0])

    operator.tell = delete_one
    return operator.restore("march")


def with_one_switched_off(operator):
    """A machine falls silent after Bitbucket on it was stopped: it is exchanged for a new one."""
    off = []

    def switch_off(record, _):
        if record.name == "activate" and not off:
            off.append(operator.world.staying()[0])
            operator.world.switch_off(off[0])

    operator.tell = switch_off
    return operator.restore("march")


STORIES = {f.__name__: f for f in (forward, prepared, there_and_back, called_off)}
IN_PLACE = STORIES | {f.__name__: f for f in (with_a_machine_less, with_one_switched_off)}
ALL = [(story, False) for story in STORIES] + [(story, True) for story in IN_PLACE]
ELSEWHERE = {"resize", "register"}
"""Acts of no use where the cloud makes a lost machine again, and puts machines into the balancer by itself."""


class Scythe:
    """Lets the process die at one moment, counted from the beginning."""

    def __init__(self, at=-1):
        self.at, self.count = at, 0

    def __call__(self, _):
        self.count += 1
        if self.count - 1 == self.at:
            raise Died


def play(story, *, in_place=False, journal=None, program=None, group=None):
    world = RestoreWorld(in_place=in_place)
    at = restoring(world, (SET,))
    at.journal.around = journal or Scythe()
    at.program.between = program or Scythe()
    at.group.between = group or Scythe()
    operator = Operator(world, at)
    return world, operator, IN_PLACE[story](operator)


def moments(story, in_place):
    scythes = {name: Scythe() for name in ("journal", "program", "group")}
    play(story, in_place=in_place, **scythes)
    return [(name, n) for name, scythe in scythes.items() for n in range(scythe.count)]


@pytest.mark.parametrize("in_place", [False, True], ids=["aws", "azure"])
def test_the_stories_together_perform_every_act_there_is(in_place):
    acts = {act for story, where in ALL if where is in_place for act in play(story, in_place=in_place)[1].acts}
    assert acts == {str(name) for name in ActName} - (set() if in_place else ELSEWHERE)


@pytest.mark.parametrize(("story", "in_place"), ALL)
def test_the_same_command_goes_on_wherever_the_process_died(story, in_place):
    calm, _, wanted = play(story, in_place=in_place)
    for where, at in moments(story, in_place):
        world, operator, memory = play(story, in_place=in_place, **{where: Scythe(at)})
        where_it_died = f"{story}: {where} {at}: {operator.acts}"
        assert memory.outcome.ending is wanted.outcome.ending, where_it_died
        assert world.wanted == calm.wanted, where_it_died
        world.clock.sleep(300.0)
        assert len(world.serving()) == 3, where_it_died
        check_end(world, memory, set())
        assert world.launches == calm.launches, where_it_died
