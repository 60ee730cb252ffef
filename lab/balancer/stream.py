"""The TCP relay, as a Network Load Balancer: bytes both ways, each direction ending by itself (half-close)."""

from __future__ import annotations

import asyncio
from typing import cast

from lab.balancer.exchange import CONNECT_TIMEOUT
from lab.balancer.routing import Backend
from lab.balancer.site import Site


class _Side(asyncio.Protocol):
    """One of the two connections; what it receives goes to its peer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.peer: _Side | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end on; the other direction stays open."""
        self._ended = True
        if self.peer is None or self.peer.transport.is_closing():
            return False
        if self.peer.ended:
            self.peer.transport.close()
            return False
        self.peer.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        peer, self.peer = self.peer, None
        if peer is None:
            return
        peer.peer = None
        if exc is None:
            peer.transport.close()
        else:
            peer.transport.abort()

    @property
    def ended(self) -> bool:
        return self._ended


class _ToTarget(_Side):
    """The connection to the target."""

    def __init__(self, client: Stream) -> None:
        super().__init__()
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.touch()
        super().data_received(data)


class Stream(_Side):
    """A client's TCP connection."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.touched = site.loop.time()
        self._backend: Backend | None = None
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Choose a target and connect to it; the client is not read until then."""
        super().connection_made(transport)
        self.transport.pause_reading()
        self.site.connections.add(self)
        pool = self.site.pool
        backend = pool.choose() if pool is not None else None
        if backend is None:
            self.transport.abort()
            return
        self._backend = backend
        backend.uses.add(self)
        self._opening = self.site.loop.create_task(self._open(backend))

    def data_received(self, data: bytes) -> None:
        """Pass on what the client sent."""
        self.touch()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the target."""
        self.site.connections.discard(self)
        if self._opening is not None:
            self._opening.cancel()
        super().connection_lost(exc)
        if self._backend is not None:
            self.site.router.release(self._backend, self)

    def touch(self) -> None:
        """Note that bytes have moved."""
        self.touched = self.site.loop.time()

    def expire(self) -> None:
        """Reset both sides after the idle time-out, as NLB does."""
        self.abort()

    def abort(self) -> None:
        """Reset both sides."""
        if self.peer is not None:
            self.peer.transport.abort()
        self.transport.abort()

    def backend_gone(self) -> None:
        """Go on: NLB leaves open connections alone after the draining time (its default)."""

    async def _open(self, backend: Backend) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, side = await self.site.loop.create_connection(
                    lambda: _ToTarget(self), backend.target.host, backend.target.port
                )
        except OSError:  # refused, unreachable, or timed out: the client sees a reset, as from the target itself
            self.transport.abort()
            return
        self.peer, side.peer = side, self
        self.transport.resume_reading()
