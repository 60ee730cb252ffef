"""The target's side of the HTTP relay: a connection that serves one exchange after the other."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from lab.balancer import http1
from lab.balancer.routing import Backend

KEEP_SECONDS = 15.0
"""An idle kept connection is used again only within this time: shorter than a server's own limit (Tomcat: 20 s)."""

MOST_KEPT = 64
"""Idle connections kept to one target."""


class Exchange(Protocol):
    """What a target's connection reports to (see exchange.Exchange)."""

    @property
    def method(self) -> bytes:
        """Return the request's method."""
        ...

    def interim(self, raw: bytes) -> None:
        """Pass on a 1xx response."""
        ...

    def respond(self, head: http1.Head, framing: http1.Framing) -> None:
        """Pass on the head of the final response."""
        ...

    def relay(self, data: bytes) -> None:
        """Pass on a piece of the response's body."""
        ...

    def complete(self, *, reusable: bool) -> None:
        """End the exchange as it should."""
        ...

    def lost(self, *, silent: bool, why: str) -> None:
        """End the exchange: the connection broke."""
        ...

    def target_full(self, *, full: bool) -> None:
        """Read the client or not, as the target can take it."""
        ...


class Back(asyncio.Protocol):
    """One connection to a target."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._framing: http1.Framing | None = None
        """None while the head is awaited."""
        self._buffer = b""
        self._served = 0
        self._silent = True
        self._reusable = True
        self._since = 0.0

    @property
    def usable(self) -> bool:
        """Tell whether an idle connection may take another request."""
        return not self._transport.is_closing() and self._loop.time() - self._since < KEEP_SECONDS

    def serve(self, exchange: Exchange) -> None:
        """Take the next exchange."""
        self._exchange, self._framing = exchange, None
        self._silent, self._reusable = True, True
        self._served += 1

    def write(self, data: bytes) -> None:
        """Send to the target."""
        self._transport.write(data)

    def read(self, *, go: bool) -> None:
        """Read the target, or leave its bytes where they are."""
        if go:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def release(self, *, keep: bool) -> None:
        """Let go of the exchange; keep the connection for another one, or close it."""
        self._exchange = None
        if not keep or self._transport.is_closing() or len(self._backend.idle) >= MOST_KEPT:
            self.close()
            return
        self._since = self._loop.time()
        self._transport.resume_reading()
        self._backend.idle.append(self)

    def close(self) -> None:
        """Close at once: nothing that is still unsent matters to anybody."""
        self._transport.abort()

    def backend_gone(self) -> None:
        """Close an idle connection: its target drains or has left."""
        if self._exchange is None:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        """Stop reading the client while the target is slow."""
        if self._exchange is not None:
            self._exchange.target_full(full=True)

    def resume_writing(self) -> None:
        """Read the client again."""
        if self._exchange is not None:
            self._exchange.target_full(full=False)

    def data_received(self, data: bytes) -> None:
        """Take what the target sent."""
        if self._exchange is None:
            self.close()  # an answer that nobody asked for
            return
        self._silent = False
        try:
            self._take(data)
        except http1.InvalidMessage as error:
            self._fail(f"not understood: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, unless the end of the connection is the end of the body."""
        if self in self._backend.idle:
            self._backend.idle.remove(self)
        if self._exchange is None:
            return
        if exc is None and isinstance(self._framing, http1.UntilClose):
            self._exchange.complete(reusable=False)
        else:
            self._fail(str(exc or "connection closed"))

    def _fail(self, why: str) -> None:
        exchange, self._exchange = self._exchange, None
        self.close()
        if exchange is not None:
            exchange.lost(silent=self._silent and self._served > 1, why=f"{self._backend.target.id}: {why}")

    def _take(self, data: bytes) -> None:
        framing = self._framing
        if framing is None:
            self._buffer += data
            framing = self._read_heads()
            if framing is None:
                return
            data, self._buffer = self._buffer, b""
        self._pass_body(framing, data)

    def _read_heads(self) -> http1.Framing | None:
        """Read interim heads and the final one; return what measures the body, None while the final one is awaited."""
        while self._read_head():
            if self._framing is not None:
                return self._framing
        return None

    def _read_head(self) -> bool:
        end = self._buffer.find(http1.END_OF_HEAD)
        if end < 0:
            if len(self._buffer) > http1.LARGEST_HEAD:
                raise http1.InvalidMessage("the head is too large")
            return False
        cut = end + len(http1.END_OF_HEAD)
        raw, self._buffer = self._buffer[:cut], self._buffer[cut:]
        self._start(raw)
        return True

    def _start(self, raw: bytes) -> None:
        head = http1.parse_head(raw[: -len(http1.END_OF_HEAD)])
        status, minor = http1.status_line(head)
        exchange = cast("Exchange", self._exchange)
        if status == 101:
            raise http1.InvalidMessage("101 without an Upgrade")
        if status < 200:
            exchange.interim(raw)
            return
        framing = http1.response_framing(head, exchange.method, status)
        self._reusable = http1.keeps_alive(head, minor)
        exchange.respond(head, framing)
        self._framing = framing

    def _pass_body(self, framing: http1.Framing, data: bytes) -> None:
        exchange = cast("Exchange", self._exchange)
        taken = framing.feed(data)
        if taken:
            exchange.relay(data if taken == len(data) else data[:taken])
        if framing.done:
            exchange.complete(reusable=self._reusable and taken == len(data))
