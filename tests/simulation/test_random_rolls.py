"""Seeded random rolls with faults at every call, on both clouds by turns: no invariant breaks, and each one ends."""

from collections import Counter

import pytest

from lab.sim.flavours import BOTH, by_turns
from lab.sim.rolls import story_lines
from lab.sim.scenario import play

pytestmark = pytest.mark.simulation

BATCH = 50


@pytest.mark.parametrize("batch", range(8))
def test_random_rolls_keep_every_invariant_and_end(batch):
    endings = Counter()
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        try:
            _, story = play(seed)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken
        endings[by_turns(seed).name, story.outcome.ending] += 1
    for cloud in BOTH:
        assert endings[cloud.name, "upgraded"] > BATCH / 8, endings


def test_a_seed_always_tells_the_same_story():
    assert list(story_lines(play(11)[1])) == list(story_lines(play(11)[1]))
