"""Seeded random restores: lost answers, nodes that break, agents that vanish, kills, and second thoughts."""

import pytest

from lab.sim.restore_stories import play

pytestmark = pytest.mark.simulation

BLOCKS = 8
SEEDS = 25
"""Of each block."""


@pytest.mark.parametrize("in_place", [False, True], ids=["aws", "azure"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_whatever_happens_the_same_command_brings_a_restore_to_a_good_end(block, in_place):
    for seed in range(block * SEEDS, (block + 1) * SEEDS):
        try:
            play(seed, in_place=in_place)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
