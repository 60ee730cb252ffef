"""The balancer as a process of its own, led by a control server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession, web

from tests.lab.balancer.world import Node, World, free_port, run, until

TOKEN = "a-token-of-this-test"

pytestmark = pytest.mark.lab


class Control:
    """A tiny daemon: serves the table of a world, and keeps the last report."""

    def __init__(self, made: World) -> None:
        self.made = made
        self.port = free_port()
        self.table: dict[str, Any] = made.document()
        self.report: dict[str, Any] = {"targets": []}
        self.reports = 0
        self.changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/routes", self._routes)
        app.router.add_post("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            self.changed.set()
            await self._runner.cleanup()
            self._runner = None

    def publish(self) -> None:
        self.table = self.made.document()
        self.changed.set()
        self.changed = asyncio.Event()

    def target(self, node: Node, group: str = "arn:http") -> dict[str, Any]:
        entries = [e for e in self.report["targets"] if (e["id"], e["group"]) == (node.id, group)]
        return entries[0] if entries else {"healthy": None, "open": 0}

    async def _routes(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        if int(request.query["after"]) == self.table["version"]:
            try:
                async with asyncio.timeout(float(request.query["wait"])):
                    await self.changed.wait()
            except TimeoutError:
                return web.Response(status=204)
        return web.json_response(self.table)

    async def _health(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        self.report = await request.json()
        self.reports += 1
        return web.json_response({})


def write_settings(folder: Path, control: Control) -> Path:
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    settings = folder / "balancer.json"
    settings.write_text(json.dumps({"control": f"http://127.0.0.1:{control.port}", "token_file": str(token)}))
    return settings


def launch(settings: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "lab.balancer", str(settings)])


@asynccontextmanager
async def led(folder: Path, *nodes: Node) -> AsyncIterator[tuple[Control, subprocess.Popen[bytes], ClientSession]]:
    made = World(*nodes)
    control = Control(made)
    for node in nodes:
        await node.start()
    await control.start()
    process = launch(write_settings(folder, control))
    try:
        async with ClientSession(base_url=made.url) as http:
            await until(lambda: all(control.target(node)["healthy"] for node in nodes), 10)
            yield control, process, http
    finally:
        process.terminate()
        assert process.wait(5) in {0, -signal.SIGTERM}
        await asyncio.sleep(0.05)
        await control.stop()
        for node in nodes:
            await node.stop()


def test_it_follows_its_daemon_and_goes_on_without_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        async with led(tmp_path, a, b) as (control, _, http):
            assert {await (await http.get("/x")).text() for _ in range(4)} == {"i-a", "i-b"}
            await control.stop()
            assert {await (await http.get("/x")).text() for _ in range(4)} == {"i-a", "i-b"}
            a.state = "draining"
            control.publish()
            await control.start()  # the daemon is back, with another table
            await until(lambda: control.report.get("version") == control.table["version"])
            assert {await (await http.get("/x")).text() for _ in range(4)} == {"i-b"}

    run(scenario)


def test_a_new_table_is_followed_within_a_quarter_of_a_second(tmp_path: Path) -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        slowest = 0.0
        async with led(tmp_path, a, b) as (control, _, http):
            for turn in range(6):
                a.state = "registered" if turn % 2 else "draining"
                began = time.monotonic()
                control.publish()
                await until(lambda: control.report.get("version") == control.table["version"])
                slowest = max(slowest, time.monotonic() - began)
                if a.state == "draining":
                    assert {await (await http.get("/x")).text() for _ in range(6)} == {"i-b"}
        assert slowest < 0.25

    run(scenario)


def test_health_and_open_requests_are_reported(tmp_path: Path) -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        async with led(tmp_path, a, b) as (control, _, http):
            waiting = asyncio.create_task(http.get("/wait"))
            await until(lambda: control.target(a)["open"] + control.target(b)["open"] == 1)
            a.go_on.set()
            b.go_on.set()
            assert (await waiting).status == 200
            a.status = 503
            await until(lambda: control.target(a)["healthy"] is False)
            assert control.target(a)["reason"] == "Target.ResponseCodeMismatch"
            before = control.reports
            await until(lambda: control.reports > before + 1)  # also when nothing changes

    run(scenario)


def test_a_table_that_contradicts_itself_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        a = Node("i-a")
        async with led(tmp_path, a) as (control, _, http):
            control.publish()
            control.table["groups"] = []  # the listeners now forward to nowhere
            before = control.reports
            await until(lambda: control.reports > before + 1)
            assert (await http.get("/x")).status == 200
            control.publish()
            await until(lambda: control.report.get("version") == control.table["version"])

    run(scenario)


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed without a chance to tell anybody, and maybe before the balancer has looked who it is."""
    settings = tmp_path / "balancer.json"
    (tmp_path / "token").write_text(TOKEN)
    told = {"control": f"http://127.0.0.1:{free_port()}", "token_file": str(tmp_path / "token")}
    code = (
        "import json, os, pathlib, subprocess, sys, time\n"
        f"settings = pathlib.Path({str(settings)!r})\n"
        f"settings.write_text(json.dumps({told!r} | {{'parent': os.getpid()}}))\n"
        "command = [sys.executable, '-m', 'lab.balancer', str(settings)]\n"
        "child = subprocess.Popen(command, stderr=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
