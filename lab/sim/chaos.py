"""Faults at every call of every port: nobody answers, the answer is lost, calls take time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random
from typing import Any

from automation.ports.errors import BbdcError, Throttled, Unavailable, Unexpected, Unreachable
from automation.ports.world import World
from lab.sim.clock import VirtualClock

_HAPPENS: tuple[Callable[[str], BbdcError], ...] = (
    Unavailable,
    lambda text: Unavailable(text, after=7.0),
    lambda text: Throttled(text, after=3.0),
    Unreachable,
    Unexpected,
)


@dataclass(slots=True)
class Chaos:
    """How often calls fail; probabilities between 0 and 1."""

    random: Random
    clock: VirtualClock
    refused: float = 0.0
    """The call is not carried out and fails."""
    lost: float = 0.0
    """The call is carried out and its answer is lost."""
    latency: float = 0.0
    """Longest time that one call takes, in seconds."""

    def over(self, world: World) -> World:
        """Return the same world behind unreliable wires."""
        ports = {f.name: getattr(world, f.name) for f in fields(world)}
        return World(**{name: port if name == "clock" else _Wire(port, name, self) for name, port in ports.items()})


class _Wire:
    """One port behind an unreliable wire."""

    def __init__(self, port: object, name: str, chaos: Chaos) -> None:
        self._port, self._name, self._chaos = port, name, chaos

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call, chaos, what = getattr(self._port, method), self._chaos, f"{self._name}.{method}"

        def wired(*args: Any, **kwargs: Any) -> Any:
            if chaos.latency:
                chaos.clock.sleep(chaos.random.random() * chaos.latency)
            dice = chaos.random.random()
            if dice < chaos.refused:
                raise chaos.random.choice(_HAPPENS)(f"{what} was not carried out")
            answer = call(*args, **kwargs)
            if dice < chaos.refused + chaos.lost:
                raise Unavailable(f"the answer of {what} was lost")
            return answer

        return wired
