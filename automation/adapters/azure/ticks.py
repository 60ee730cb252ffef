"""When Azure's clock begins its next second, by ours: learned from the dates of answers, to know when to ask.

Azure tells the time to the second. A question sent at ``s`` and answered at ``r`` with the date ``d`` says that Azure's
clock was ahead of ours by at least ``d - r`` and by less than ``d + 1 - s``; many answers narrow that down. It is a
guess about when to ask, and proves nothing: clocks drift and are put right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy

from automation.adapters.azure.answered import date_of
from automation.ports.clock import Clock

LEAD = 0.6
"""Seconds before a second of Azure's in which it is good to lock: an idle Bitbucket has drained, and the database been
asked for, before that second begins."""
_DOUBT = 0.2
_PAUSE = 0.1
_PATIENCE = 2.0
_SENT = "bbdc_sent"


class Ticks:
    """What is known about Azure's seconds; threads may share it.

    Args:
        clock: our own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._least, self._most = float("-inf"), float("inf")

    @property
    def doubt(self) -> float:
        """Seconds within which a second of Azure's begins; 1 or more when nothing is known."""
        with self._lock:
            return self._most - self._least

    def note(self, sent: float, answered: float, date: float) -> None:
        """Learn from one answer: its times by our clock, and its date, all in seconds since the epoch."""
        least, most = date - answered, date + 1.0 - sent
        with self._lock:
            self._least, self._most = max(self._least, least), min(self._most, most)
            if self._least >= self._most:  # a clock was put right: only the newest answer counts
                self._least, self._most = least, most

    def until(self, moment: float) -> float:
        """Return in how many seconds Azure's clock may show a moment at the earliest; 0 when that may be now."""
        with self._lock:
            ahead = self._most
        return max(0.0, moment - ahead - self._clock.now()) if ahead < float("inf") else 0.0

    def until_before(self, lead: float) -> float:
        """Return in how many seconds it is ``lead`` seconds before a second of Azure's begins at the earliest."""
        with self._lock:
            ahead = self._most
        return -(self._clock.now() + ahead + lead) % 1.0 if ahead < float("inf") else 0.0


class Listening(SansIOHTTPPolicy):  # type: ignore[misc]  # azure has no types here
    """Lets ``Ticks`` learn from every answer."""

    def __init__(self, ticks: Ticks, clock: Clock) -> None:
        super().__init__()
        self._ticks, self._clock = ticks, clock

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Remember when a request was sent."""
        request.context[_SENT] = self._clock.now()

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Learn from its answer."""
        date = date_of(response)
        if date is not None:
            self._ticks.note(request.context[_SENT], self._clock.now(), date)


class BeforeSecond:
    """Implements ``ports.safe.Timing``: a set's moment is a whole second, so a lock begins shortly before one.

    Args:
        ticks: what is known about Azure's seconds.
        clock: our own.
        ask: asks Azure anything, for the date of its answer.
    """

    def __init__(self, ticks: Ticks, clock: Clock, ask: Callable[[], object]) -> None:
        self._ticks, self._clock, self._ask = ticks, clock, ask

    def before_lock(self) -> None:
        """Return when a second of Azure's is about to begin: within three seconds, where Azure answers at once."""
        begun = self._clock.now()
        while self._ticks.doubt > _DOUBT and self._clock.now() - begun < _PATIENCE:
            self._clock.sleep(_PAUSE)
            self._ask()
        self._clock.sleep(self._ticks.until_before(LEAD))
