"""Calls in threads: really at once, each in its caller's context."""

from __future__ import annotations

import contextvars
import threading

from automation.adapters.together import Threads


def test_all_calls_are_under_way_at_once():
    """One after the other, the first would wait for the third for ever."""
    meeting = threading.Barrier(3, timeout=20)
    assert sorted(Threads()([meeting.wait] * 3)) == [0, 1, 2]


def test_calls_see_their_callers_context():
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    name.set("set-1")
    assert Threads()([name.get, name.get]) == ("set-1", "set-1")
