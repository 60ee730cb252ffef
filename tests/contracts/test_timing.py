"""``ports.safe.Timing``: what every implementation must do."""

from __future__ import annotations

import math

import pytest

from automation.adapters.azure.ticks import BeforeSecond, Ticks
from automation.ports.errors import Unavailable
from automation.ports.safe import AtOnce, Timing
from lab.sim.clock import VirtualClock

SECONDS = 5.0
"""``within seconds``: nobody waits for a backup, yet a night has an end."""
IMPLEMENTATIONS = ["at-once", "before-a-second"]


def timing(name: str, clock: VirtualClock, *, silent: bool = False) -> Timing:
    ticks = Ticks(clock)

    def ask() -> None:
        if silent:
            raise Unavailable("the cloud is busy")
        ticks.note(clock.now(), clock.now(), math.floor(clock.now() + 0.35))

    return AtOnce() if name == "at-once" else BeforeSecond(ticks, clock, ask)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_it_returns_within_seconds_and_may_be_asked_again(name):
    clock = VirtualClock()
    port = timing(name, clock)
    for _ in range(3):
        before = clock.now()
        port.before_lock()
        assert clock.now() - before <= SECONDS


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_a_cloud_that_does_not_answer_is_told_and_not_waited_for(name):
    clock = VirtualClock()
    before = clock.now()
    try:
        timing(name, clock, silent=True).before_lock()
    except Unavailable as error:
        assert error.message  # noqa: PT017 (an implementation that asks nobody raises nothing)
    assert clock.now() - before <= SECONDS
