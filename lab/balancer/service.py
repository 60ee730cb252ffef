"""The balancer as a whole: listeners that come and go with the routing table, and what is reported back."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from lab.balancer.front import Front
from lab.balancer.health import Checker
from lab.balancer.routing import Router
from lab.balancer.site import Site
from lab.balancer.sticky import Seal
from lab.balancer.stream import Stream
from lab.balancer.table import Listener, Protocol, Table

_log = logging.getLogger(__name__)


class _Open:
    """A listener that listens."""

    def __init__(self, site: Site, server: asyncio.Server) -> None:
        self.site = site
        self._server = server
        self._sweep = asyncio.create_task(site.sweep())

    def close(self) -> None:
        self._sweep.cancel()
        self._server.close()
        for connection in list(self.site.connections):
            connection.abort()


class Balancer:
    """Listeners, targets and health checks."""

    def __init__(self) -> None:
        self.router = Router()
        self._checker = Checker(self.router)
        self._seal = Seal(secrets.token_bytes(32))
        self._open: dict[tuple[object, ...], _Open] = {}

    async def apply(self, table: Table) -> None:
        """Follow a routing table: targets first, then listeners.

        Raises:
            OSError: a listener's port is taken. Everything else has been followed; apply again to try again.
        """
        self.router.apply(table)
        self._checker.follow()
        for key in self._open.keys() - {_key(listener) for listener in table.listeners}:
            self._open.pop(key).close()
        for listener in table.listeners:
            opened = self._open.get(_key(listener))
            if opened is None:
                self._open[_key(listener)] = await self._listen(listener)
            else:
                opened.site.listener = listener

    def report(self) -> dict[str, Any]:
        """Return the health and the open requests of every target, as POST /health wants it."""
        return {
            "version": self.router.version,
            "targets": [
                {
                    "group": pool.group.arn,
                    "id": backend.target.id,
                    "healthy": backend.health.healthy,
                    "reason": backend.health.reason,
                    "description": backend.health.description,
                    "open": len(backend.uses),
                }
                for pool in self.router.pools.values()
                for backend in pool.backends.values()
            ],
        }

    def close(self) -> None:
        """Stop listening, checking and relaying."""
        self._checker.stop()
        for opened in self._open.values():
            opened.close()
        self._open.clear()
        self.router.apply(Table(version=0, tempo=1.0, listeners=(), groups=()))  # closes what is kept to targets

    async def _listen(self, listener: Listener) -> _Open:
        site = Site(listener, self.router, self._seal)
        relay = Front if listener.protocol is Protocol.HTTP else Stream
        server = await site.loop.create_server(
            lambda: relay(site), listener.address, listener.port, backlog=1024, reuse_address=True
        )
        _log.info("listener %s: %s on %s:%d", listener.name, listener.protocol, listener.address, listener.port)
        return _Open(site, server)


def _key(listener: Listener) -> tuple[object, ...]:
    """Return what a listening socket depends on; the rest of a listener changes under open connections."""
    return listener.name, listener.protocol, listener.address, listener.port
