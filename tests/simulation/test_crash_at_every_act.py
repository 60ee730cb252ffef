"""kill -9 around every act and at every call that the rolls themselves list: the next run goes on, nothing twice."""

from dataclasses import replace

import pytest

from automation.core.decision import ActName
from automation.core.roll import Ending, Message, MessageKind
from automation.engine.upgrade import make_plan
from lab.sim.flavours import AZURE_LIKE, BOTH
from lab.sim.rolls import QUICK, Roll, story_lines
from lab.sim.wires import Killed, Mortal

pytestmark = pytest.mark.simulation

SURGE = replace(QUICK, surge=True)
READS = {"disturbing", "observe", "targets", "groups", "cluster", "view", "cpu"}


def lives(_step):
    return False


def forward(estate, dies=lives, settings=QUICK):
    estate.witness.floor = estate.settings.nodes - (0 if settings.surge else 1)
    plan = make_plan(estate.world, settings, cluster="sim", target="7.9.4", owns_model=True)
    return [Roll(estate, estate.world, settings, plan, dies=dies).play()]


def with_surge(estate, dies=lives):
    estate.cloud.maximum = estate.settings.nodes  # no room: the roll raises it, and puts it back
    return forward(estate, dies, SURGE)


def with_a_failed_node(estate, dies=lives):
    estate.bitbucket.fault("boot_error")
    return forward(estate, dies)


def there_and_back(estate, dies=lives):
    def abort_after_first_replacement(_):
        return (Message(MessageKind.ABORT, "ops"),) if estate.cloud.launches > estate.settings.nodes else ()

    plan = make_plan(estate.world, QUICK, cluster="sim", target="7.9.4", owns_model=True)
    there = Roll(estate, estate.world, QUICK, plan, abort_after_first_replacement, dies).play()
    plan = make_plan(estate.world, QUICK, cluster="sim", target="7.9.0", owns_model=True, previous=plan)
    return [there, Roll(estate, estate.world, QUICK, plan, dies=dies).play()]


def with_an_update_of_the_gateway_that_fails_to_let_a_node_go(estate, dies=lives):
    estate.cloud.gateway.dooms = [True]
    return forward(estate, dies)


def with_an_update_of_the_gateway_that_fails_to_take_a_node_in(estate, dies=lives):
    estate.cloud.gateway.dooms = [False, True]
    return forward(estate, dies)


def with_a_reimaging_that_fails_after_a_while(estate, dies=lives):
    estate.cloud.dooms = [False]
    return forward(estate, dies)


def with_a_reimaging_that_fails_and_a_node_that_starts_again(estate, dies=lives):
    estate.cloud.dooms = [True]
    return forward(estate, dies)


def with_a_machine_that_does_not_run(estate, dies=lives):
    estate.cloud.power_off(estate.cloud.staying()[0], estate.clock.now())
    return forward(estate, dies)


ON_BOTH = (forward, with_surge, with_a_failed_node, there_and_back)
IN_PLACE = (
    with_an_update_of_the_gateway_that_fails_to_let_a_node_go,
    with_an_update_of_the_gateway_that_fails_to_take_a_node_in,
    with_a_reimaging_that_fails_after_a_while,
    with_a_reimaging_that_fails_and_a_node_that_starts_again,
    with_a_machine_that_does_not_run,
)
STORIES = [(cloud, story) for cloud in BOTH for story in ON_BOTH] + [(AZURE_LIKE, story) for story in IN_PLACE]


def acts_of(cloud, story):
    """Play a story once without a crash and return the names of its acts, in order."""
    seen = []

    def watch(step):
        if step.record.kind == "act":
            seen.append(step.record.name)
        return False

    story(cloud.estate(), watch)
    return seen


def called(each):
    return getattr(each, "name", None) or getattr(each, "__name__", None)


CRASHES = [(cloud, story, at, name) for cloud, story in STORIES for at, name in enumerate(acts_of(cloud, story))]


def goes_on_as_if_nothing_had_happened(calm, wanted, crashed, got):
    text = "\n".join(line for s in got for line in story_lines(s))
    assert [s.outcome.ending for s in got] == [s.outcome.ending for s in wanted], text
    assert got[-1].outcome.ending in (Ending.UPGRADED, Ending.ROLLED_BACK), text
    assert crashed.witness.done == calm.witness.done, text
    assert crashed.cloud.launches == calm.cloud.launches, text
    assert crashed.cloud.desired == calm.cloud.desired
    assert not crashed.cloud.suspended


def test_the_stories_together_perform_every_act_there_is():
    assert {name for *_, name in CRASHES} == {str(name) for name in ActName}


@pytest.mark.parametrize("story", [story for cloud, story in STORIES if cloud is AZURE_LIKE], ids=called)
def test_what_fails_in_azure_itself_is_no_failure_of_a_node(story):
    (*_, last) = story(AZURE_LIKE.estate())
    wanted = 1 if story is with_a_failed_node else 0
    assert len(last.memory.failures) == wanted, "\n".join(story_lines(last))


@pytest.mark.parametrize(("cloud", "story", "at", "name"), CRASHES, ids=called)
def test_the_next_run_goes_on_and_does_nothing_twice(cloud, story, at, name):
    calm, crashed = cloud.estate(), cloud.estate()
    wanted = story(calm)
    count = iter(range(10_000))
    got = story(crashed, lambda step: step.record.kind == "act" and next(count) == at)
    goes_on_as_if_nothing_had_happened(calm, wanted, crashed, got)


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "before its answer"])
@pytest.mark.parametrize(("cloud", "story"), STORIES, ids=called)
def test_a_death_at_any_call_that_changes_something_is_gone_on_from(cloud, story, after):
    calm, count = cloud.estate(), Mortal(-1, after=False)
    calm.world = count.over(calm.world)
    wanted = story(calm)
    changing = [at for at, name in enumerate(count.calls) if name.partition(".")[2] not in READS]
    assert len(changing) >= 14
    for at in changing:
        crashed = cloud.estate()
        crashed.world = Mortal(at, after=after).over(crashed.world)
        goes_on_as_if_nothing_had_happened(calm, wanted, crashed, story(crashed))


def cut_off(estate, at):
    """Let the process die while it waits for the operation with this number."""
    count = iter(range(10_000))

    def cut():
        if next(count) == at:
            raise Killed

    estate.cloud.cut = cut
    return estate


@pytest.mark.parametrize("story", [story for cloud, story in STORIES if cloud is AZURE_LIKE], ids=called)
def test_a_death_while_an_operation_is_under_way_is_gone_on_from(story):
    """An update of the gateway that nobody waits for any more goes on, and may fail: then it is made again."""
    calm, waits = AZURE_LIKE.estate(), []
    calm.cloud.cut = lambda: waits.append(calm.clock.now())
    wanted = story(calm)
    assert len(waits) >= 6
    for at in range(len(waits)):
        crashed = cut_off(AZURE_LIKE.estate(), at)
        got = story(crashed)
        text = "\n".join(line for s in got for line in story_lines(s))
        assert [s.outcome.ending for s in got] == [s.outcome.ending for s in wanted], text
        assert got[-1].outcome.ending in (Ending.UPGRADED, Ending.ROLLED_BACK), text
        assert crashed.cloud.launches == calm.cloud.launches, text
        assert crashed.witness.count("replace") == calm.witness.count("replace"), text
        assert (crashed.serving(), crashed.cloud.desired) == (3, 3), text
