"""A small real server: log-in, pages, lists, git over HTTP; and it fails on demand, a counted number of times."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from lab.traffic.settings import Target

USER, PASSWORD, TOKEN = "reader", "a-password-of-this-test", "a-token-of-this-test"
REPOSITORIES = ("alpha", "beta", "gamma")

Failing = Callable[[web.Request], web.StreamResponse]


def server_error(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500, text="broken", headers={"X-Upstream": "i-broken"})


def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def redirect(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/login"})


def another_page(request: web.Request) -> web.StreamResponse:
    return web.Response(text="Please log in", content_type="text/html")


def maintenance(request: web.Request) -> web.StreamResponse:
    """What a locked Bitbucket answers; git shows a plain text to its user, but not when it fails half-way."""
    if request.path.startswith("/scm/"):
        return web.Response(status=503, text="Bitbucket is currently under maintenance.\n")
    if request.path.startswith("/rest/"):
        return web.json_response({"errors": [{"message": "Bitbucket is currently under maintenance."}]}, status=503)
    return web.Response(status=503, text="<html><h1>Maintenance</h1></html>", content_type="text/html")


@dataclass
class Server:
    """One server over bare repositories in a folder."""

    folder: Path
    seen: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    broken_between: list[float] = field(default_factory=list)
    failing: Failing = server_error
    fail_what: str = "page"
    url: str = ""
    locked: bool = False
    """What /status tells."""
    unheard: int = 0
    """How many answers to /status still come from a node that has not heard of the lock."""

    @property
    def target(self) -> Target:
        return Target(self.url, USER, PASSWORD, TOKEN)

    def fail(self, what: str, count: int, how: Failing = server_error) -> None:
        """Let the next ``count`` requests for ``what`` (page or git) fail."""
        self.fail_what, self.broken, self.failing = what, count, how

    def repository(self, slug: str) -> Path:
        return self.folder / "scm" / "prj" / f"{slug}.git"

    def git(self, slug: str, *words: str) -> str:
        run = subprocess.run(["git", *words], cwd=self.repository(slug), check=True, capture_output=True, text=True)
        return run.stdout.strip()

    def make_repositories(self) -> None:
        for slug in REPOSITORIES:
            self.repository(slug).mkdir(parents=True)
            self.git(slug, "init", "--quiet", "--bare", "--initial-branch=main")
            self.git(slug, "config", "http.receivepack", "true")
            tree = self.git(slug, "mktree")
            who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
            self.git(slug, "update-ref", "refs/heads/main", self.git(slug, *who, "commit-tree", tree, "-m", "first"))

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/j_atl_security_check", self._log_in)
        app.router.add_get("/status", self._status)
        app.router.add_get("/rest/api/latest/repos", self._repositories)
        app.router.add_get("/rest/{rest:.*}", self._list)
        app.router.add_route("*", "/scm/{rest:.*}", self._git)
        app.router.add_get("/{rest:.*}", self._page)
        return app

    def _fails(self, what: str, request: web.Request) -> web.StreamResponse | None:
        self.seen[what] += 1
        if what != self.fail_what or self.broken <= 0:
            return None
        self.broken -= 1
        self.broken_between.append(time.time())
        return self.failing(request)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if (form["j_username"], form["j_password"]) != (USER, PASSWORD):
            return web.Response(text="Invalid username or password.")
        self.seen["login"] += 1
        answer = web.Response(status=302, headers={"Location": "/dashboard"})
        answer.set_cookie("BITBUCKETSESSIONID", f"session-{self.seen['login']}")
        return answer

    async def _repositories(self, request: web.Request) -> web.StreamResponse:
        """One repository a page: the client must follow the pages."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"errors": [{"message": "no"}]}, status=401)
        start = int(request.query["start"])
        last = start == len(REPOSITORIES) - 1
        entry = {"slug": REPOSITORIES[start], "project": {"key": "PRJ"}}
        return web.json_response({"values": [entry], "isLastPage": last, "nextPageStart": None if last else start + 1})

    async def _status(self, request: web.Request) -> web.StreamResponse:
        self.seen["status"] += 1
        heard = self.seen["status"] > self.unheard
        return web.json_response({"state": "MAINTENANCE" if self.locked and heard else "RUNNING"})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return self._fails("page", request) or web.json_response({"values": []})

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if (failed := self._fails("page", request)) is not None:
            return failed
        if "BITBUCKETSESSIONID" not in request.cookies:
            return redirect(request)
        return web.Response(text=f"<html>{request.path}</html>", content_type="text/html")

    async def _git(self, request: web.Request) -> web.StreamResponse:
        if (failed := self._fails("git", request)) is not None:
            return failed
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": USER,
                "PATH_INFO": request.path,
                "REQUEST_METHOD": request.method,
                "QUERY_STRING": request.query_string,
                "CONTENT_TYPE": request.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(await request.read())
        head, _, body = out.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200").split()[0])
        return web.Response(status=status, body=body, headers=fields)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """Serve until the block ends."""
    server = Server(folder / "server")
    server.make_repositories()
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=0.1, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await asyncio.sleep(0.02)
        await runner.cleanup()
