"""Faults at every call of every port: nobody answers, the answer is lost, calls take time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random
from typing import Any, TypeVar

from automation.ports.errors import BbdcError, Throttled, Unavailable, Unexpected, Unreachable
from automation.ports.safe import Safe
from automation.ports.world import World
from lab.sim.clock import VirtualClock

Ports = TypeVar("Ports", World, Safe)
_AT_HOME = frozenset({"capabilities", "clock", "journal", "together"})
"""Ports that lie in the process itself: no wire leads there."""
_OWN_WORDS = frozenset({"user", "place"})
"""Methods that ask nobody."""
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

    def over(self, world: Ports) -> Ports:
        """Return the same ports behind unreliable wires; all but those that lie in the process itself."""
        ports = {f.name: getattr(world, f.name) for f in fields(world)}
        near = {name for name, port in ports.items() if name in _AT_HOME or port is None}
        wired: dict[str, Any] = {n: port if n in near else _Wire(port, n, self) for n, port in ports.items()}
        return type(world)(**wired)


class _Wire:
    """One port behind an unreliable wire."""

    def __init__(self, port: object, name: str, chaos: Chaos) -> None:
        self._port, self._name, self._chaos = port, name, chaos

    def __getattr__(self, method: str) -> Any:
        call, chaos, what = getattr(self._port, method), self._chaos, f"{self._name}.{method}"
        if not callable(call) or method in _OWN_WORDS:
            return call

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
