"""One request on its way through the balancer: the chosen target, the way there, the response on its way back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from lab.balancer import http1
from lab.balancer.answers import own_answer
from lab.balancer.back import Back
from lab.balancer.routing import Backend, Pool
from lab.balancer.site import Site
from lab.balancer.sticky import value_set
from lab.balancer.table import Stickiness

CONNECT_TIMEOUT = 10.0
"""Seconds to reach a target: ALB's own limit."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The session that a request belongs to."""

    stickiness: Stickiness
    value: bytes | None
    """The application cookie's value in the request; empty where the balancer needs none."""
    target: str | None
    """The target that the balancer's cookie names."""

    def newly_bound(self, head: http1.Head, target: str) -> bytes | None:
        """Return the value to which the session is bound by ``target``'s answer; None when nothing changes."""
        if self.stickiness.cookie is None:
            return None if self.target == target else b""
        value = value_set(head.all(b"set-cookie"), self.stickiness.cookie.encode())
        return self.value if value is None and self.target not in {None, target} else value


@dataclass(frozen=True, slots=True)
class Request:
    """What the exchange must know of a request."""

    method: bytes
    head: bytes
    """As it goes to the target."""
    replayable: bool
    """Without a body, and of a method that may be repeated."""
    expects_continue: bool
    binding: Binding | None


class Client(Protocol):
    """The client's side, as an exchange uses it (see front.Front)."""

    site: Site
    touched: float
    write_paused: bool
    transport: asyncio.Transport

    @property
    def closing(self) -> bool:
        """Tell whether this response must be the last one."""
        ...

    @property
    def request_complete(self) -> bool:
        """Tell whether the client has sent its whole request."""
        ...

    def close_after_response(self) -> None:
        """Make this response the last one."""
        ...

    def hold(self, *, upstream_full: bool | None = None, connecting: bool | None = None) -> None:
        """Say whether the target can take more of the request's body."""
        ...

    def exchange_done(self) -> None:
        """Go on to the next request."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...


class Exchange:
    """A request and its response."""

    def __init__(self, front: Client, request: Request, pool: Pool, backend: Backend) -> None:
        self.front = front
        self.request = request
        self._pool = pool
        self._backend = backend
        self._back: Back | None = None
        self._pending: list[bytes] = []
        self._opening: asyncio.Task[None] | None = None
        self._head_sent = False
        self._replayed = False
        self._over = False
        backend.uses.add(self)

    @property
    def method(self) -> bytes:
        """The request's method: a response to HEAD has no body."""
        return self.request.method

    def begin(self) -> None:
        """Send the request to its target, over a kept connection when it could be repeated on a fresh one.

        A kept connection may be closed by the target at the very moment it is used again. Only a request that may be
        repeated is exposed to that; all others get a fresh connection.
        """
        idle = self._backend.idle
        while self.request.replayable and idle:
            kept = idle.pop()
            if isinstance(kept, Back) and kept.usable:
                self._attach(kept)
                return
        self._connect()

    def send(self, body: bytes) -> None:
        """Pass on a piece of the request's body."""
        if self._back is None:
            self._pending.append(body)
        else:
            self._back.write(body)

    def read_target(self, *, go: bool) -> None:
        """Read the target or not, as the client can take it."""
        if self._back is not None:
            self._back.read(go=go)

    def abandon(self) -> None:
        """The client is gone."""
        self._finish(keep=False)

    def backend_gone(self) -> None:
        """The target has left the group before the request was finished (its draining time is over)."""
        self.fail(HTTPStatus.BAD_GATEWAY, f"{self._backend.target.id} left its target group")

    def fail(self, status: HTTPStatus, why: str) -> None:
        """End the exchange: with ``status`` when the client has seen nothing yet, else by cutting the connection."""
        if self._over:
            return
        self._finish(keep=False)
        if self._head_sent:
            self.front.abort()
            return
        if not self.front.request_complete and self.request.expects_continue:
            self.front.close_after_response()
        self.front.transport.write(
            own_answer(status, why, closing=self.front.closing, upstream=self._backend.target.id)
        )
        self.front.exchange_done()

    def interim(self, raw: bytes) -> None:
        """Pass on a 1xx response, "100 Continue" above all."""
        self._touch()
        self.front.transport.write(raw)

    def respond(self, head: http1.Head, framing: http1.Framing) -> None:
        """Pass on the head of the final response."""
        self._touch()
        if isinstance(framing, http1.UntilClose) or (not self.front.request_complete and self.request.expects_continue):
            self.front.close_after_response()
        self._head_sent = True
        self.front.transport.write(self._rewritten(head))

    def relay(self, data: bytes) -> None:
        """Pass on a piece of the response's body."""
        self._touch()
        self.front.transport.write(data)

    def complete(self, *, reusable: bool) -> None:
        """The response has ended as it should."""
        self._finish(keep=reusable and self.front.request_complete)
        self.front.exchange_done()

    def lost(self, *, silent: bool, why: str) -> None:
        """The target's connection broke; ``silent``: it was a kept one and had not answered a single byte."""
        self._back = None
        if silent and self.request.replayable and not self._replayed:
            self._replayed = True
            self._choose_again()
        else:
            self.fail(HTTPStatus.BAD_GATEWAY, why)

    def target_full(self, *, full: bool) -> None:
        """Read the client or not, as the target can take it."""
        self.front.hold(upstream_full=full)

    def _choose_again(self) -> None:
        backend = self._pool.choose(self._backend.target.id)
        if backend is None:
            self.fail(HTTPStatus.SERVICE_UNAVAILABLE, "no target may take the request")
            return
        if backend is not self._backend:
            self.front.site.router.release(self._backend, self)
            self._backend = backend
            backend.uses.add(self)
        self._connect()

    def _connect(self) -> None:
        self.front.hold(connecting=True)
        self._opening = self.front.site.loop.create_task(self._open())

    async def _open(self) -> None:
        target = self._backend.target
        loop = self.front.site.loop
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, back = await loop.create_connection(lambda: Back(self._backend), target.host, target.port)
        except TimeoutError:
            self.fail(HTTPStatus.GATEWAY_TIMEOUT, f"{target.id} did not accept a connection")
        except OSError as error:
            self.fail(HTTPStatus.BAD_GATEWAY, f"{target.id} refused the connection ({error.strerror or error})")
        else:
            self._attach(back)

    def _attach(self, back: Back) -> None:
        if self._over:
            back.close()
            return
        self._back = back
        back.serve(self)
        back.write(b"".join([self.request.head, *self._pending]))
        self._pending.clear()
        back.read(go=not self.front.write_paused)
        if self._opening is not None:
            self.front.hold(connecting=False)

    def _finish(self, *, keep: bool) -> None:
        self._over = True
        if self._opening is not None:
            if self._opening is not asyncio.current_task():
                self._opening.cancel()
            self._opening = None
        back, self._back = self._back, None
        if back is not None:
            back.release(keep=keep and self._backend.registered)
        self.front.site.router.release(self._backend, self)

    def _rewritten(self, head: http1.Head) -> bytes:
        lines = head.end_to_end()
        start = b"HTTP/1.1 " + head.start.partition(b" ")[2]
        cookie = self._new_cookie(head)
        if cookie is not None:
            lines.append(cookie)
        lines.append(b"X-Upstream: " + self._backend.target.id.encode())
        lines.append(b"Connection: close" if self.front.closing else b"Connection: keep-alive")
        return b"\r\n".join([start, *lines, b"", b""])

    def _new_cookie(self, head: http1.Head) -> bytes | None:
        """Return the Set-Cookie line that binds the session to this target, None when nothing changes.

        It is bound when the application sets its cookie, and again when the target that it was bound to could not
        take the request: ALB then treats the session as stuck to the new one. A gateway binds whoever is not bound.
        """
        binding = self.request.binding
        value = binding.newly_bound(head, self._backend.target.id) if binding is not None else None
        if binding is None or value is None:
            return None
        bound = binding.stickiness
        token = self.front.site.seal.issue(self._backend.target.id, value, time.time() + bound.seconds)
        lasting = b"" if bound.cookie is None else b" Max-Age=%d;" % bound.seconds
        return b"Set-Cookie: %s=%s;%s Path=/" % (bound.name.encode(), token, lasting)

    def _touch(self) -> None:
        self.front.touched = self.front.site.loop.time()
