"""What all connections of one listener share."""

from __future__ import annotations

import asyncio
from typing import Protocol

from lab.balancer.routing import Pool, Router
from lab.balancer.sticky import Seal
from lab.balancer.table import Listener


class Connection(Protocol):
    """A client's connection, as the sweep over idle ones sees it."""

    touched: float
    """Loop time of the last byte in either direction."""

    def expire(self) -> None:
        """Nothing has moved for the listener's idle time-out."""
        ...

    def abort(self) -> None:
        """The balancer ends."""
        ...


class Site:
    """A listener at work: where its requests go, and its open connections."""

    def __init__(self, listener: Listener, router: Router, seal: Seal) -> None:
        self.listener = listener
        self.router = router
        self.seal = seal
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.forwarded = f"X-Forwarded-Proto: http\r\nX-Forwarded-Port: {listener.port}\r\n".encode()

    @property
    def pool(self) -> Pool | None:
        """The target group that the listener forwards to."""
        return self.router.pools.get(self.listener.group)

    async def sweep(self) -> None:
        """Expire idle connections, for ever."""
        while True:
            await asyncio.sleep(min(1.0, self.listener.idle_timeout / 4))
            limit = self.loop.time() - self.listener.idle_timeout
            for connection in [kept for kept in self.connections if kept.touched < limit]:
                connection.expire()
