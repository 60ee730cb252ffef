"""Things that take time: a volume is ``creating``, a snapshot ``pending``, a database ``backing-up``, for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld


@dataclass(slots=True, eq=False)
class Stage:
    """A while that a thing spends in a state.

    Attributes:
        thing: moto's object, or our own.
        attribute: where its state stands.
        during, then: its state until ``due``, and after it.
        begun, due: seconds since the epoch.
        after: what else happens when it is over.
    """

    thing: Any
    attribute: str
    during: str
    then: str | None
    begun: float
    due: float
    after: Callable[[], None] | None

    def finish(self) -> None:
        """Pass on to the state after, unless the thing was changed meanwhile: deleted, stopped."""
        if getattr(self.thing, self.attribute) == self.during:
            setattr(self.thing, self.attribute, self.then)
            if self.after is not None:
                self.after()


@dataclass(slots=True)
class Progress:
    """What is under way."""

    world: AwsWorld
    going: list[Stage] = field(default_factory=list)

    def begin(
        self,
        thing: Any,
        seconds: float,
        during: str,
        then: str | None,
        *,
        attribute: str = "status",
        after: Callable[[], None] | None = None,
    ) -> None:
        """Let a thing be in the state ``during`` for a while, and then in ``then``; at once when it takes no time."""
        now = self.world.clock.now()
        setattr(thing, attribute, during)
        stage = Stage(thing, attribute, during, then, now, now + seconds, after)
        if seconds > 0:
            self.going.append(stage)
        else:
            stage.finish()

    def advance(self, now: float) -> None:
        """Finish what is due, in order."""
        while due := [stage for stage in self.going if now >= stage.due]:
            first = min(due, key=lambda stage: stage.due)
            self.going.remove(first)
            first.finish()

    def percent(self, thing: Any) -> int:
        """Return how far a thing is, 0 to 100."""
        now = self.world.clock.now()
        for stage in self.going:
            if stage.thing is thing:
                return min(99, int(100 * (now - stage.begun) / (stage.due - stage.begun)))
        return 100
