"""The balancer's routing table, as every cloud of the lab publishes it; each reads it off its own world."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

POLL = 0.05
FURTHER = 4
"""How many further estates, such as staging copies, get fronts of their own; there is room for no more ports."""


class Changing(Protocol):
    """A world that counts its changes."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while anything changes."""
        ...

    @property
    def changes(self) -> int:
        """How often anything has changed."""
        ...


World = TypeVar("World", bound=Changing)


class Published(ABC, Generic[World]):
    """The table, with a version that grows whenever it changes.

    Args:
        world: what it is read off.
        http, ssh: ports of the balancer's two fronts.
        tempo: how many times faster than declared health checks run.
    """

    def __init__(self, world: World, http: int, ssh: int, tempo: float) -> None:
        self.world, self.http, self.ssh, self.tempo = world, http, ssh, tempo
        self.version = 0
        self._estates: list[str] = []
        self._last: dict[str, Any] = {}
        self._seen = -1

    def wait(self, after: int, seconds: float) -> dict[str, Any]:
        """Return the table once its version is above ``after``, or after so many seconds."""
        deadline = time.monotonic() + seconds
        table = self.read()
        while table["version"] <= after and time.monotonic() < deadline:
            time.sleep(POLL)
            table = self.read()
        return table

    def read(self) -> dict[str, Any]:
        """Return the table as it is now."""
        with self.world.lock:
            if self._seen != self.world.changes:
                self._seen = self.world.changes
                listeners, groups = self.rules()
                table = {"tempo": self.tempo, "listeners": listeners, "groups": groups}
                if table != self._last:
                    self._last = table
                    self.version += 1
            return {"version": self.version, **self._last}

    def front(self, kind: str, estate: str) -> dict[str, Any] | None:
        """Return name, address and port of an estate's front; None when there is no room for it.

        The estate seen first is the lab's own. Those after it keep their ports for as long as the lab lives.

        Args:
            kind: ``http`` or ``ssh``.
            estate: what the cluster is called.
        """
        if estate not in self._estates:
            self._estates.append(estate)
        number = self._estates.index(estate)
        if number > FURTHER:
            return None
        port = (self.http if kind == "http" else self.ssh) if not number else further(self.http, kind, number)
        return {"name": f"{kind}-{number}" if number else kind, "address": "127.0.0.1", "port": port}

    @abstractmethod
    def rules(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the listeners and the groups of targets, in the shape that ``lab.balancer.table`` parses."""


def further(http: int, kind: str, number: int) -> int:
    """Return the port of a further estate's front: pairs after the first estate's.

    Args:
        http: port of the lab's own.
        kind: ``http`` or ``ssh``.
        number: which one, from 1 on.
    """
    return http + 2 * number + (kind == "ssh")
