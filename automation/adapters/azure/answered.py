"""When Azure answered, by its own clock: the ``Date`` of an answer, to the second."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

from automation.ports.errors import Unexpected


class Answered:
    """A hook for one call's answers that remembers the last one's date.

    Args:
        before: an earlier time, for a call that is not answered.
    """

    def __init__(self, before: float | None = None) -> None:
        self._time = before

    def __call__(self, response: Any) -> None:
        """Note one answer."""
        told = date_of(response)
        if told is not None:
            self._time = told

    def time(self) -> float:
        """Return the time of the last answer, seconds since the epoch, cut to whole ones.

        Raises:
            Unexpected: no answer told a time.
        """
        if self._time is None:
            raise Unexpected("Azure's answer tells no time: it has no Date", hint="does a proxy remove it?")
        return self._time


def date_of(response: Any) -> float | None:
    """Return an answer's date, seconds since the epoch, cut to whole ones; None for one without."""
    told = response.http_response.headers.get("Date")
    return parsedate_to_datetime(told).timestamp() if told else None
