"""Calls at the same time: really at once, errors of ours returned, all others raised."""

from __future__ import annotations

import contextvars
import threading

import pytest

from automation.adapters.together import Threads
from automation.ports.errors import Conflict, Unavailable


def test_answers_come_in_the_order_of_the_calls():
    assert Threads()([lambda n=n: n for n in range(8)]) == tuple(range(8))
    assert Threads()([lambda: "one"]) == ("one",)
    assert Threads()([]) == ()


def test_all_calls_are_under_way_at_once():
    """One after the other, the first would wait for the third for ever."""
    meeting = threading.Barrier(3, timeout=20)
    assert sorted(Threads()([meeting.wait] * 3)) == [0, 1, 2]


def fail(error: BaseException):
    raise error


def test_our_errors_are_answers():
    one, two = Conflict("no"), Unavailable("later")
    assert Threads()([lambda: fail(one), lambda: 2, lambda: fail(two)]) == (one, 2, two)
    assert Threads()([lambda: fail(one)]) == (one,)


@pytest.mark.parametrize("others", [0, 2])
def test_a_defect_is_raised_when_all_are_over(others):
    ended = []
    calls = [lambda: fail(KeyError("defect")), *[lambda: ended.append(1)] * others]
    with pytest.raises(KeyError, match="defect"):
        Threads()(calls)
    assert len(ended) == others


def test_calls_see_their_callers_context():
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    name.set("set-1")
    assert Threads()([name.get, name.get]) == ("set-1", "set-1")
