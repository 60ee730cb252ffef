"""``ports.clock.Clock``: what every implementation must do."""

from __future__ import annotations

import pytest

from automation.adapters.clock import SystemClock
from automation.ports.clock import Clock
from lab.sim.clock import VirtualClock
from tests.adapters.conftest import JumpingClock

IMPLEMENTATIONS = {"system": SystemClock, "virtual": VirtualClock, "jumping": JumpingClock}
IN_2020 = 1_577_836_800.0
ROUNDING = 1e-6
"""Seconds; times of this century in a float are that fine."""


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def clock(request: pytest.FixtureRequest) -> Clock:
    return IMPLEMENTATIONS[request.param]()


def test_it_shows_seconds_since_the_epoch(clock):
    assert clock.now() > IN_2020


def test_who_sleeps_wakes_no_earlier(clock):
    before = clock.now()
    clock.sleep(0.02)
    assert clock.now() >= before + 0.02 - ROUNDING


@pytest.mark.parametrize("seconds", [0.0, -3600.0])
def test_there_may_be_nothing_to_sleep_for(clock, seconds):
    before = clock.now()
    clock.sleep(seconds)
    assert clock.now() >= before
