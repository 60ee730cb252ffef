"""Seeded random rolls with faults at every call: no invariant breaks, and each one ends."""

from collections import Counter

import pytest

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
        endings[story.outcome.ending] += 1
    assert endings["upgraded"] > BATCH / 4, endings


def test_a_seed_always_tells_the_same_story():
    assert list(story_lines(play(11)[1])) == list(story_lines(play(11)[1]))
