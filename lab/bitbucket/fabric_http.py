"""The fabric's HTTP API on loopback, in a thread with an event loop of its own.

    POST /nodes/{id}/boot        {address, version, port, name}     -> {uuid, ...};  409 when such a node cannot exist
    POST /nodes/{id}/heartbeat   {tasks, users, git, writes, latch} -> {known, state, status, locked, faults, ...}
    POST /nodes/{id}/stop        {drain, terminate}                 -> {stopping}
    POST /nodes/{id}/drained                                        -> {go}
    POST /nodes/{id}/left                                           -> {}
    POST /nodes/{id}/call/{name} {...}                              -> {status, body, delay}
    POST /faults/{uid}/take                                         -> {go}
    GET  /world                                                     -> Fabric.to_json()
    GET  /events?since=N                                            -> {events}

Every request carries ``Authorization: Bearer <token>``; without it the answer is 401.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from lab.bitbucket.records import Busy, Json, NodeSpec, WorldRefused

if TYPE_CHECKING:
    from lab.bitbucket.fabric import Fabric

_SHORTEST_TOKEN = 16
_TICK_SECONDS = 0.2
_START_SECONDS = 10.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FabricServer:
    """Serves one fabric until it is closed."""

    def __init__(self, fabric: Fabric, token: str, port: int) -> None:
        """Start serving on 127.0.0.1; port 0 takes a free one.

        Raises:
            ValueError: the token is too short to keep anyone out.
            OSError: the port is taken.
        """
        if len(token) < _SHORTEST_TOKEN:
            raise ValueError(f"the fabric's token needs {_SHORTEST_TOKEN} characters or more")
        self._fabric = fabric
        self._token = f"Bearer {token}".encode()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fabric", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise TimeoutError("the fabric's server did not start")
        if self._failure is not None:
            raise self._failure

    @property
    def url(self) -> str:
        """Root of the API."""
        return f"http://127.0.0.1:{self._port}"

    def close(self) -> None:
        """Stop serving and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_START_SECONDS)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        try:
            await site.start()
        except OSError as taken:
            self._failure = taken
        else:
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._tick_until_stopped()
        await runner.cleanup()

    async def _tick_until_stopped(self) -> None:
        while not self._stopping.is_set():
            self._fabric.tick()
            try:
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)
            except TimeoutError:
                continue

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded])
        app.add_routes(
            [
                web.post("/nodes/{id}/boot", self._boot),
                web.post("/nodes/{id}/heartbeat", self._heartbeat),
                web.post("/nodes/{id}/stop", self._stop),
                web.post("/nodes/{id}/drained", self._drained),
                web.post("/nodes/{id}/left", self._left),
                web.post("/nodes/{id}/call/{name}", self._call),
                web.post("/faults/{uid}/take", self._take),
                web.get("/world", self._world),
                web.get("/events", self._events),
            ]
        )
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(sent, self._token):
            return web.json_response({"message": "the fabric's bearer token is missing or wrong"}, status=401)
        try:
            return await handler(request)
        except WorldRefused as refused:
            return web.json_response({"message": str(refused)}, status=409)
        except (KeyError, TypeError, ValueError) as wrong:
            return web.json_response({"message": f"not understood: {wrong!r}"}, status=400)

    async def _boot(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        return web.json_response(self._fabric.boot(NodeSpec(id=request.match_info["id"], **body)))

    async def _heartbeat(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        busy = Busy(int(body["git"]), int(body["writes"]), body.get("latch")) if "git" in body else None
        tasks, users = int(body["tasks"]), int(body["users"])
        answer = self._fabric.heartbeat(request.match_info["id"], tasks=tasks, users=users, busy=busy)
        return web.json_response(answer)

    async def _stop(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        drain, terminate = float(body["drain"]), float(body["terminate"])
        stopping = self._fabric.stop(request.match_info["id"], drain=drain, terminate=terminate)
        return web.json_response({"stopping": stopping})

    async def _drained(self, request: web.Request) -> web.Response:
        return web.json_response({"go": self._fabric.drained(request.match_info["id"])})

    async def _left(self, request: web.Request) -> web.Response:
        self._fabric.left(request.match_info["id"])
        return web.json_response({})

    async def _call(self, request: web.Request) -> web.Response:
        body: Json = await request.json()
        return web.json_response(self._fabric.call(request.match_info["id"], request.match_info["name"], body))

    async def _take(self, request: web.Request) -> web.Response:
        return web.json_response({"go": self._fabric.take_fault(int(request.match_info["uid"]))})

    async def _world(self, _request: web.Request) -> web.Response:
        return web.json_response(self._fabric.to_json())

    async def _events(self, request: web.Request) -> web.Response:
        return web.json_response({"events": self._fabric.events(int(request.query.get("since", "0")))})
