"""Ports behind wires that do as they are told: processes that die at a call, calls that fail on order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from automation.ports.errors import BbdcError, Unavailable
from automation.ports.safe import Safe
from automation.ports.world import World

Ports = TypeVar("Ports", World, Safe)
Around = Callable[[str, Callable[[], Any]], Any]
_NEAR = frozenset({"capabilities", "clock", "together", "journal"})
"""What lies in the process itself."""


class Killed(BaseException):
    """The process is gone, as after kill -9: nothing of it runs on, and no handler sees this."""


@dataclass(slots=True)
class Mortal:
    """Kills the process at one of its calls to the outside: before it is made, or before its answer is heard."""

    at: int
    after: bool
    calls: list[str] = field(default_factory=list)

    def over(self, ports: Ports) -> Ports:
        """Return the same ports, in a process that dies."""
        return _wired(ports, self._around)

    def _around(self, name: str, call: Callable[[], Any]) -> Any:
        mine = len(self.calls)
        self.calls.append(name)
        if mine == self.at and not self.after:
            raise Killed
        try:
            return call()
        finally:
            if mine == self.at:
                raise Killed


@dataclass(slots=True)
class Failing:
    """Lets named calls fail, such as ``maintenance.unlock``: so many refused first, or so many answers lost."""

    refused: Mapping[str, Sequence[BbdcError | None]] = field(default_factory=dict)
    """Errors of the first calls, in order; none of them is carried out. None lets a call through."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """How many of the first answers are lost; the calls are carried out."""
    calls: Counter[str] = field(default_factory=Counter)

    def over(self, ports: Ports) -> Ports:
        """Return the same ports, on which these calls fail."""
        return _wired(ports, self._around)

    def _around(self, name: str, call: Callable[[], Any]) -> Any:
        mine = self.calls[name]
        self.calls[name] += 1
        errors = self.refused.get(name, ())
        if (error := errors[mine] if mine < len(errors) else None) is not None:
            raise error
        answer = call()
        if mine < self.lost.get(name, 0):
            raise Unavailable(f"the answer of {name} was lost")
        return answer


def _wired(ports: Ports, around: Around) -> Ports:
    found = {f.name: getattr(ports, f.name) for f in fields(ports)}
    wired: dict[str, Any] = {n: p if n in _NEAR or p is None else _Watched(p, n, around) for n, p in found.items()}
    return type(ports)(**wired)


class _Watched:
    """One port whose every call goes through ``around``."""

    def __init__(self, port: object, name: str, around: Around) -> None:
        self._port, self._name, self._around = port, name, around

    def __getattr__(self, method: str) -> Any:
        call, around, name = getattr(self._port, method), self._around, f"{self._name}.{method}"
        if not callable(call):
            return call
        return lambda *args, **kwargs: around(name, lambda: call(*args, **kwargs))
