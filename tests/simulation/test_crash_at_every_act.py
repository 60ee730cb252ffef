"""kill -9 between every act and its record, as the rolls themselves list them: the next run goes on, nothing twice."""

from dataclasses import replace

import pytest

from automation.core.capabilities import AZURE
from automation.core.decision import ActName
from automation.core.roll import Ending, Message, MessageKind
from automation.engine.upgrade import make_plan
from lab.sim.estate import Estate
from lab.sim.rolls import QUICK, Roll, story_lines

pytestmark = pytest.mark.simulation

SURGE = replace(QUICK, surge=True)


def forward(estate, dies, settings=QUICK):
    estate.witness.floor = estate.settings.nodes - (0 if settings.surge else 1)
    plan = make_plan(estate.world, settings, cluster="sim", target="7.9.4", owns_model=True)
    return [Roll(estate, estate.world, settings, plan, dies=dies).play()]


def with_surge(estate, dies):
    estate.cloud.maximum = estate.settings.nodes  # no room: the roll raises it, and puts it back
    return forward(estate, dies, SURGE)


def with_a_failed_node(estate, dies):
    estate.bitbucket.fault("boot_error")
    return forward(estate, dies)


def there_and_back(estate, dies):
    def abort_after_first_replacement(_):
        return (Message(MessageKind.ABORT, "ops"),) if estate.cloud.launches > estate.settings.nodes else ()

    plan = make_plan(estate.world, QUICK, cluster="sim", target="7.9.4", owns_model=True)
    there = Roll(estate, estate.world, QUICK, plan, abort_after_first_replacement, dies).play()
    plan = make_plan(estate.world, QUICK, cluster="sim", target="7.9.0", owns_model=True, previous=plan)
    return [there, Roll(estate, estate.world, QUICK, plan, dies=dies).play()]


def into_pools_of_addresses(estate, dies):
    """As on Azure: nobody but the roll puts new machines into the balancer."""
    estate.cloud.settings = replace(estate.cloud.settings, registers_by_itself=False)
    estate.world = replace(estate.world, capabilities=AZURE)
    return forward(estate, dies)


STORIES = {f.__name__: f for f in (forward, with_surge, with_a_failed_node, there_and_back, into_pools_of_addresses)}


def acts_of(story):
    """Play a story once without a crash and return the names of its acts, in order."""
    seen = []

    def watch(step):
        if step.record.kind == "act":
            seen.append(step.record.name)
        return False

    STORIES[story](Estate(), watch)
    return seen


CRASHES = [(story, at, name) for story in STORIES for at, name in enumerate(acts_of(story))]


def test_the_stories_together_perform_every_act_there_is():
    assert {name for _, _, name in CRASHES} == {str(name) for name in ActName}


@pytest.mark.parametrize(("story", "at", "name"), CRASHES)
def test_the_next_run_goes_on_and_does_nothing_twice(story, at, name):
    calm, crashed = Estate(), Estate()
    wanted = STORIES[story](calm, lambda _: False)
    count = iter(range(10_000))
    got = STORIES[story](crashed, lambda step: step.record.kind == "act" and next(count) == at)
    text = "\n".join(line for s in got for line in story_lines(s))
    assert [s.outcome.ending for s in got] == [s.outcome.ending for s in wanted], text
    assert got[-1].outcome.ending in (Ending.UPGRADED, Ending.ROLLED_BACK), text
    assert crashed.witness.done == calm.witness.done, text
    assert crashed.cloud.launches == calm.cloud.launches, text
    assert crashed.cloud.desired == calm.cloud.desired
    assert not crashed.cloud.suspended
