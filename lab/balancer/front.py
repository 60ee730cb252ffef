"""The client's side of the HTTP relay: read requests one after the other, hand each to an exchange."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import cast

from lab.balancer import http1
from lab.balancer.answers import own_answer
from lab.balancer.exchange import Binding, Exchange, Request
from lab.balancer.routing import Pool
from lab.balancer.site import Site
from lab.balancer.sticky import read_cookies

MOST_AHEAD = 256 * 1024
"""Bytes of further requests that a client may send ahead before it is no longer read."""

# A request without a body that may be sent twice (RFC 9110, section 9.2.2).
REPLAYABLE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})


class _State(Enum):
    HEAD = auto()
    """Waiting for a request."""
    BODY = auto()
    """Passing on its body."""
    WAIT = auto()
    """The request is complete, the response is not."""
    DISCARD = auto()
    """The response is complete, the request's body is still coming."""


@dataclass(slots=True)
class _Flow:
    """Why the client is not read just now."""

    upstream_full: bool = False
    connecting: bool = False


class Front(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.touched = site.loop.time()
        self.write_paused = False
        self.transport: asyncio.Transport
        self._peer = b""
        self._buffer = b""
        self._state = _State.HEAD
        self._framing: http1.Framing = http1.Length(0)
        self._exchange: Exchange | None = None
        self._flow = _Flow()
        self._close_after = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self._peer = self.transport.get_extra_info("peername")[0].encode()
        self.site.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up the request in progress: its client is gone."""
        del exc
        self.site.connections.discard(self)
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None

    def pause_writing(self) -> None:
        """Stop reading the target while the client is slow."""
        self.write_paused = True
        if self._exchange is not None:
            self._exchange.read_target(go=False)

    def resume_writing(self) -> None:
        """Read the target again."""
        self.write_paused = False
        if self._exchange is not None:
            self._exchange.read_target(go=True)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        self.touched = self.site.loop.time()
        self._buffer = self._buffer + data if self._buffer else data
        try:
            self._advance()
        except http1.InvalidMessage as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))

    def expire(self) -> None:
        """Nothing moved for the idle time-out: end the request with 504 (or 408), or close a resting connection."""
        if self._exchange is None:
            self.transport.close()
            return
        self._close_after = True
        self._exchange.fail(
            HTTPStatus.GATEWAY_TIMEOUT if self._framing.done else HTTPStatus.REQUEST_TIMEOUT, "idle time-out"
        )

    def abort(self) -> None:
        """Cut the connection, so that the client sees a truncated answer as such."""
        self.transport.abort()

    @property
    def closing(self) -> bool:
        """Tell whether this response must be the last one (Connection: close)."""
        return self._close_after

    def close_after_response(self) -> None:
        """Make this response the last one."""
        self._close_after = True

    @property
    def request_complete(self) -> bool:
        """Tell whether the client has sent its whole request."""
        return self._framing.done

    def hold(self, *, upstream_full: bool | None = None, connecting: bool | None = None) -> None:
        """Say whether the target can take more of the request's body."""
        if upstream_full is not None:
            self._flow.upstream_full = upstream_full
        if connecting is not None:
            self._flow.connecting = connecting
        self._update_reading()

    def exchange_done(self) -> None:
        """Go on to the next request after a complete response."""
        self._exchange = None
        self._flow = _Flow()
        if self._close_after:
            self.transport.close()
            return
        self._state = _State.HEAD if self._framing.done else _State.DISCARD
        self._update_reading()
        if self._buffer:  # later: this is called from within the parser, or from within the target's
            self.site.loop.call_soon(self.data_received, b"")

    def _advance(self) -> None:
        while self._buffer and not self.transport.is_closing():
            if self._state is _State.HEAD:
                if not self._read_head():
                    return
            elif self._state is _State.WAIT:
                self._update_reading()
                return
            else:
                self._pass_body()

    def _read_head(self) -> bool:
        end = self._buffer.find(http1.END_OF_HEAD)
        if end > http1.LARGEST_HEAD or (end < 0 and len(self._buffer) > http1.LARGEST_HEAD):
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")
            return False
        if end < 0:
            self._buffer = self._buffer.lstrip(b"\r\n")  # RFC 9112, section 2.2
            return False
        raw, self._buffer = self._buffer[:end], self._buffer[end + len(http1.END_OF_HEAD) :]
        self._start(http1.parse_head(raw.lstrip(b"\r\n")))
        return True

    def _pass_body(self) -> None:
        taken = self._framing.feed(self._buffer)
        body = self._buffer if taken == len(self._buffer) else self._buffer[:taken]
        self._buffer = self._buffer[taken:]
        finished = self._framing.done
        if self._state is _State.DISCARD:
            self._state = _State.HEAD if finished else _State.DISCARD
            return
        if finished:
            self._state = _State.WAIT
        if self._exchange is not None:
            self._exchange.send(body)

    def _start(self, head: http1.Head) -> None:
        method, target, minor = http1.request_line(head)
        self._framing = http1.request_framing(head)
        self._state = _State.WAIT if self._framing.done else _State.BODY
        self._close_after = minor == 0 or not http1.keeps_alive(head, minor)
        pool = self.site.pool
        binding, sticky = self._session(head, pool)
        backend = pool.choose(sticky) if pool is not None else None
        if pool is None or backend is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "no target may take the request")
            return
        request = Request(
            method=method,
            head=self._forward(head, method, target, minor),
            replayable=self._framing.done and method in REPLAYABLE,
            expects_continue=head.get(b"expect") is not None,
            binding=binding,
        )
        self._exchange = Exchange(self, request, pool, backend)
        self._exchange.begin()

    def _session(self, head: http1.Head, pool: Pool | None) -> tuple[Binding | None, str | None]:
        """Return the session that the request belongs to, and the target it is bound to."""
        if pool is None or pool.group.stickiness is None:
            return None, None
        bound, cookies = pool.group.stickiness, read_cookies(head.get(b"cookie"))
        value = b"" if bound.cookie is None else cookies.get(bound.cookie.encode())
        token = cookies.get(bound.name.encode())
        sticky = self.site.seal.read(token, value, time.time()) if token and value is not None else None
        return Binding(bound, value, sticky), sticky

    def _forward(self, head: http1.Head, method: bytes, target: bytes, minor: int) -> bytes:
        seen = head.get(b"x-forwarded-for")
        forwarded_for = seen + b", " + self._peer if seen else self._peer
        lines = head.end_to_end(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port")
        return b"%s %s HTTP/1.%d\r\n%sX-Forwarded-For: %s\r\n%s%s\r\n" % (
            method,
            target,
            minor,  # an HTTP/1.0 client cannot read chunks: let the target know
            b"".join([line + b"\r\n" for line in lines]),
            forwarded_for,
            self.site.forwarded,
            b"" if minor else b"Connection: close\r\n",
        )

    def _answer(self, status: HTTPStatus, why: str) -> None:
        self.transport.write(own_answer(status, why, closing=self._close_after))
        self.exchange_done()

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        """Answer what cannot be parsed, and close: where the next request begins is not known."""
        self._buffer, self._close_after = b"", True
        if self._exchange is not None:
            self._exchange.fail(status, why)
        else:
            self._answer(status, why)

    def _update_reading(self) -> None:
        ahead = self._state is _State.WAIT and len(self._buffer) > MOST_AHEAD
        if self._flow.upstream_full or self._flow.connecting or ahead:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
