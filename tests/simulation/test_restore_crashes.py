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


STORIES = {f.__name__: f for f in (forward, prepared, there_and_back, called_off)}


class Scythe:
    """Lets the process die at one moment, counted from the beginning."""

    def __init__(self, at=-1):
        self.at, self.count = at, 0

    def __call__(self, _):
        self.count += 1
        if self.count - 1 == self.at:
            raise Died


def play(story, journal=None, program=None):
    world = RestoreWorld()
    at = restoring(world, (SET,))
    at.journal.around = journal or Scythe()
    at.program.between = program or Scythe()
    operator = Operator(world, at)
    return world, operator, STORIES[story](operator)


def moments(story):
    journal, program = Scythe(), Scythe()
    play(story, journal, program)
    return [("journal", n) for n in range(journal.count)] + [("program", n) for n in range(program.count)]


CRASHES = [(story, where, at) for story in STORIES for where, at in moments(story)]


def test_the_stories_together_perform_every_act_there_is():
    acts = {act for story in STORIES for act in play(story)[1].acts}
    assert acts == {str(name) for name in ActName}


@pytest.mark.parametrize("story", STORIES)
def test_the_same_command_goes_on_wherever_the_process_died(story):
    calm, _, wanted = play(story)
    for where, at in moments(story):
        world, operator, memory = play(story, **{where: Scythe(at)})
        where_it_died = f"{story}: {where} {at}: {operator.acts}"
        assert memory.outcome.ending is wanted.outcome.ending, where_it_died
        assert world.wanted == calm.wanted, where_it_died
        world.clock.sleep(300.0)
        assert len(world.serving()) == 3, where_it_died
        check_end(world, memory, set())
        assert world.launches == calm.launches, where_it_died
