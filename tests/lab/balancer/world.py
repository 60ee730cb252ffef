"""Real upstream servers, a routing table for them, and a balancer in between, all in one event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, CookieJar, web

from lab.balancer.service import Balancer
from lab.balancer.table import parse_table

COOKIE = "BITBUCKETSESSIONID"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Node:
    """An upstream: answers with its own name, and misbehaves on request."""

    id: str
    port: int = field(default_factory=free_port)
    status: int = 200
    state: str = "registered"
    since: float = 1.0
    seen: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    mib_written: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/status", self._status)
        app.router.add_get("/login", self._login)
        app.router.add_get("/wait", self._wait)
        app.router.add_route("*", "/break", self._break)
        app.router.add_get("/cut", self._cut)
        app.router.add_get("/big", self._big)
        app.router.add_post("/echo", self._echo)
        app.router.add_post("/count", self._count)
        app.router.add_post("/refuse", self._refuse)
        app.router.add_route("*", "/{rest:.*}", self._whoami)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        self.go_on.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _note(self, request: web.Request) -> None:
        self.seen.append(request.path)
        self.heads.append(dict(request.headers))
        self.arrived.set()

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response({"state": "RUNNING"}, status=self.status)

    async def _whoami(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.Response(text=self.id)

    async def _login(self, request: web.Request) -> web.Response:
        answer = await self._whoami(request)
        answer.set_cookie(COOKIE, f"session-of-{self.id}")
        return answer

    async def _wait(self, request: web.Request) -> web.Response:
        self._note(request)
        await self.go_on.wait()
        return web.Response(text=self.id)

    async def _break(self, request: web.Request) -> web.Response:
        self._note(request)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        """Promise ten bytes, send five, and die."""
        self._note(request)
        answer = web.StreamResponse(headers={"Content-Length": "10"})
        await answer.prepare(request)
        await answer.write(b"12345")
        assert request.transport is not None
        request.transport.abort()
        return answer

    async def _big(self, request: web.Request) -> web.StreamResponse:
        """Send ``mib`` MiB in chunks."""
        self._note(request)
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(int(request.query["mib"])):
            await answer.write(b"x" * 2**20)
            self.mib_written += 1
        await answer.write_eof()
        return answer

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        """Send every piece back as it comes."""
        self._note(request)
        answer = web.StreamResponse()
        await answer.prepare(request)
        async for piece in request.content.iter_any():
            await answer.write(piece)
        await answer.write_eof()
        return answer

    async def _count(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.Response(text=str(len(await request.read())))

    async def _refuse(self, request: web.Request) -> web.Response:
        """Answer without reading the body."""
        self._note(request)
        return web.Response(status=401, text="no")


class World:
    """Nodes and a balancer in front of them."""

    def __init__(self, *nodes: Node, sticky: Mapping[str, Any] | None = None, cuts: bool = True, **health: Any) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.port = free_port()
        self.tcp_port = free_port()
        self.balancer = Balancer()
        self.idle_timeout: float | None = None
        self.sticky = sticky
        self.cuts = cuts
        self.version = 0
        self.health = {"path": "/status", "matcher": "200", "interval": 5, "timeout": 4, "healthy": 2, "unhealthy": 2}
        self.health |= health

    async def __aenter__(self) -> Self:
        for node in self.nodes.values():
            await node.start()
        await self.apply()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.balancer.close()
        await asyncio.sleep(0.02)  # probes that were just accepted see their end before the nodes go
        for node in self.nodes.values():
            await node.stop()
        await asyncio.sleep(0.01)  # transports close on the next turns of the loop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def document(self) -> dict[str, Any]:
        self.version += 1
        group = {
            "protocol": "HTTP",
            "stickiness": self.sticky,
            "cuts": self.cuts,
            "health": self.health,
            "targets": [
                {"id": node.id, "host": "127.0.0.1", "port": node.port, "state": node.state, "since": node.since}
                for node in self.nodes.values()
                if node.state != "gone"
            ],
        }
        tcp = group | {"arn": "arn:ssh", "name": "ssh", "protocol": "TCP", "stickiness": None}
        listener = {"address": "127.0.0.1", "idle_timeout": self.idle_timeout}
        return {
            "version": self.version,
            "tempo": 50,
            "listeners": [
                listener | {"name": "http", "protocol": "HTTP", "port": self.port, "group": "arn:http"},
                listener | {"name": "ssh", "protocol": "TCP", "port": self.tcp_port, "group": "arn:ssh"},
            ],
            "groups": [group | {"arn": "arn:http", "name": "http"}, tcp],
        }

    async def apply(self) -> None:
        await self.balancer.apply(parse_table(self.document()))

    async def set_state(self, node: Node, state: str) -> None:
        node.state, node.since = state, node.since + 1
        await self.apply()

    def healthy(self, group: str = "arn:http") -> dict[str, bool | None]:
        return {entry["id"]: entry["healthy"] for entry in self.balancer.report()["targets"] if entry["group"] == group}

    def open(self, node: Node) -> int:
        return next(
            int(entry["open"])
            for entry in self.balancer.report()["targets"]
            if entry["id"] == node.id and entry["group"] == "arn:http"
        )

    async def until_healthy(self) -> None:
        await until(lambda: all(self.healthy().values()))
        await until(lambda: all(self.healthy("arn:ssh").values()))


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition, and fail when it does not come true in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is about other processes, too
            await asyncio.sleep(0.005)


@asynccontextmanager
async def world(*nodes: Node, **options: Any) -> AsyncIterator[tuple[World, ClientSession]]:
    """Run a healthy world with a client."""
    async with (
        World(*nodes, **options) as made,
        ClientSession(base_url=made.url, cookie_jar=CookieJar(unsafe=True)) as http,
    ):
        await made.until_healthy()
        yield made, http


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous test with a deadline of its own."""

    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario()

    asyncio.run(limited())
