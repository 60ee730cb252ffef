"""Users push all the time, unless Bitbucket has drained: so it is known what every instant must hold.

A push is acknowledged when its commit is on the disk and its row in the database, at one instant. Pure arithmetic: the
pushes of an hour cost as much as those of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.bitbucket.model import Cluster
from lab.bitbucket.records import State

_ROUNDING = 1e-4
"""Pushes; far above the rounding of times in this century, far below one push."""


@dataclass(slots=True)
class _Span:
    """A time in which pushes flowed."""

    begin: float
    end: float


class Pushes:
    """Acknowledged pushes, to every repository in turn."""

    def __init__(self, bitbucket: Cluster, start: float, *, rate: float, repositories: int) -> None:
        self._bitbucket, self._rate, self._repositories = bitbucket, rate, repositories
        self._last = start
        self._spans: list[_Span] = []

    def tick(self, now: float) -> None:
        """Let users push until ``now``."""
        for until in (*self._cuts(now), now):
            if until > self._last and self.flow(self._last):
                self._add(self._last, until)
            self._last = max(self._last, until)

    def next_event(self) -> float | None:
        """Nothing here happens by itself: the state of Bitbucket decides."""
        return None

    def flow(self, at: float) -> bool:
        """Tell whether users' changes get through: until everything has drained, and on nodes that do not know yet."""
        return not self._bitbucket.maintenance.drained(at) or any(self._ignorant(at))

    def latch(self, at: float) -> str:
        """Return the task for which nothing changes at this instant; empty while something may."""
        task = self._bitbucket.maintenance.task
        return task.id if task is not None and not self.flow(at) else ""

    def acknowledged(self, at: float) -> int:
        """Return how many pushes had been acknowledged at an instant."""
        seconds = sum(max(0.0, min(span.end, at) - span.begin) for span in self._spans)
        return int(self._rate * seconds + _ROUNDING)

    def commits(self, at: float, repositories: Iterable[int]) -> dict[int, int]:
        """Return how many commits each repository had at an instant."""
        total, every = self.acknowledged(at), self._repositories
        return {number: (total - number + every - 1) // every for number in repositories}

    def _ignorant(self, at: float) -> Iterator[bool]:
        """Nodes that joined while Bitbucket was locked and have not noticed yet: nobody says what they let through."""
        for name, node in self._bitbucket.nodes.items():
            if node.state is State.ACTIVE and not node.dead and not self._bitbucket.is_locked(name, at):
                yield True

    def _cuts(self, now: float) -> list[float]:
        """Return the moments at which the flow may begin or end by itself."""
        maintenance, settings = self._bitbucket.maintenance, self._bitbucket.settings
        cuts = []
        if maintenance.task is not None:
            began = maintenance.task.started
            cuts += [began + settings.database_drain_seconds, began + settings.scm_drain_seconds]
        for node in self._bitbucket.nodes.values():
            if maintenance.held is not None and node.active_since is not None:
                cuts.append(node.active_since + settings.lock_check_seconds)
        return sorted(cut for cut in cuts if self._last < cut < now)

    def _add(self, begin: float, end: float) -> None:
        if self._spans and self._spans[-1].end == begin:
            self._spans[-1].end = end
        else:
            self._spans.append(_Span(begin, end))
