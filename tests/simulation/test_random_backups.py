"""Seeded random backups with faults at every call, dying processes and other people: no invariant breaks, each ends."""

from collections import Counter

import pytest

from lab.sim.backup_scenario import play
from lab.sim.flavours import BOTH, by_turns

pytestmark = pytest.mark.simulation

BATCH = 30


@pytest.mark.parametrize("batch", range(8))
def test_random_backups_keep_every_invariant_and_recover_leaves_nothing_half_done(batch):
    endings = Counter()
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        try:
            _, stories = play(seed)
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}: {broken}") from broken
        name = by_turns(seed).name
        endings.update((name, story.memory.outcome.ending if story.memory else "died") for story in stories)
    for cloud in BOTH:
        assert endings[cloud.name, "complete"] > BATCH / 4, endings
        assert endings[cloud.name, "invalid"] > BATCH / 8, endings
        assert endings[cloud.name, "died"] > BATCH / 8, endings


def test_a_seed_always_tells_the_same_story():
    def told(seed):
        return [line for story in play(seed)[1] for line in story.lines()]

    assert told(11) == told(11)
