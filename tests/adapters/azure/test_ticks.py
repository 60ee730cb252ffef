"""What is learned of Azure's seconds from the dates of answers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.adapters.azure.ticks import LEAD, BeforeSecond, Ticks
from tests.adapters.conftest import JumpingClock


def asked(ticks: Ticks, clock: JumpingClock, *, ahead: float, takes: float = 0.0) -> None:
    """Ask an Azure whose clock is ahead of ours; the answer is written half way."""
    sent = clock.now()
    date = math.floor(sent + takes / 2 + ahead)
    clock.sleep(takes)
    ticks.note(sent, clock.now(), float(date))


def test_who_knows_nothing_waits_for_nothing() -> None:
    clock = JumpingClock()
    ticks = Ticks(clock)
    assert ticks.doubt == math.inf
    assert (ticks.until(clock.now() + 5), ticks.until_before(0.5)) == (0.0, 0.0)


@given(
    st.floats(-500, 500),
    st.lists(st.tuples(st.floats(0.01, 0.6), st.floats(0, 0.3)), min_size=1, max_size=12),
)
def test_a_moment_is_never_said_to_come_later_than_it_does(ahead: float, asking: list[tuple[float, float]]) -> None:
    clock = JumpingClock()
    ticks = Ticks(clock)
    for pause, takes in asking:
        clock.sleep(pause)
        asked(ticks, clock, ahead=ahead, takes=takes)
    moment = math.floor(clock.now() + ahead) + 1.0
    assert ticks.until(moment) <= moment - (clock.now() + ahead) + 1e-6
    assert 0.0 < ticks.doubt <= 1.0 + 0.3 + 1e-6


def test_questions_a_tenth_of_a_second_apart_find_the_second_within_a_tenth() -> None:
    clock = JumpingClock()
    ticks = Ticks(clock)
    for _ in range(12):
        asked(ticks, clock, ahead=7.35)
        clock.sleep(0.1)
    assert ticks.doubt <= 0.1 + 1e-6
    assert ticks.until_before(0.5) == pytest.approx(-(clock.now() + 7.35 + 0.5) % 1.0, abs=0.11)


def test_a_clock_that_was_put_right_is_learned_anew() -> None:
    clock = JumpingClock()
    ticks = Ticks(clock)
    asked(ticks, clock, ahead=0.2)
    asked(ticks, clock, ahead=90.2)
    moment = math.floor(clock.now() + 90.2) + 1.0
    assert 0.0 <= ticks.until(moment) <= 1.0


@pytest.mark.parametrize("ahead", [0.0, 0.31, -7.77])
@pytest.mark.parametrize("takes", [0.005, 0.15])
def test_it_is_good_to_lock_shortly_before_a_second_of_azures(ahead: float, takes: float) -> None:
    clock = JumpingClock()
    ticks, before = Ticks(clock), clock.now()
    BeforeSecond(ticks, clock, lambda: asked(ticks, clock, ahead=ahead, takes=takes)).before_lock()
    left = -(clock.now() + ahead) % 1.0
    assert LEAD - 1e-6 <= left <= LEAD + takes + 0.2
    assert clock.now() - before <= 3.0


def test_an_azure_that_takes_long_to_answer_is_not_asked_for_ever() -> None:
    clock = JumpingClock()
    ticks, before = Ticks(clock), clock.now()
    BeforeSecond(ticks, clock, lambda: asked(ticks, clock, ahead=0.4, takes=1.5)).before_lock()
    assert clock.now() - before <= 2.0 + 1.6 + 1.0
