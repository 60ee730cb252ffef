"""Starting, watching, stopping a run in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from lab import traffic
from tests.lab.traffic.server import PASSWORD, TOKEN, Server, server_error, serving

pytestmark = pytest.mark.lab


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Serve from a thread, as the run has a process of its own."""
    ready: list[Server] = []
    begun, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(folder) as server:
            ready.append(server)
            begun.set()
            while not over.is_set():  # noqa: ASYNC110 - the end comes from another thread
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert begun.wait(20)
        yield ready[0]
    finally:
        over.set()
        thread.join()


def own_process(lab: Path) -> psutil.Process:
    return psutil.Process(json.loads((lab / "traffic" / "current.json").read_text())["pid"])


def test_a_run_from_start_to_stop(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    with served(tmp_path) as server:
        run = traffic.start(lab, rate=100, clones=2, pushes=2, target=server.target)
        with pytest.raises(traffic.Running, match=run):
            traffic.start(lab, target=server.target)
        process = own_process(lab)
        assert not any(secret in " ".join(process.cmdline()) for secret in (PASSWORD, TOKEN))
        time.sleep(1.5)
        live = traffic.report(lab)
        assert (live.run, live.state) == (run, "running")
        server.fail("page", 5, server_error)
        time.sleep(1)
        report = traffic.stop(lab)
        assert (report.state, report.failed) == ("finished", 5)
        assert report.requests > live.requests > 0
        assert report.pushes_verified == report.pushes_acknowledged > 0
        assert not process.is_running()
        assert traffic.stop(lab) == report == traffic.TrafficReport.from_json(report.to_json())
    for file in (lab / "traffic").rglob("*"):
        if file.is_file():
            assert not any(secret in file.read_text() for secret in (PASSWORD, TOKEN)), file
    assert not list((lab / "traffic" / "work").iterdir())


def test_a_run_that_was_killed_is_reported_as_dead_and_another_can_begin(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    with served(tmp_path) as server:
        traffic.start(lab, rate=50, clones=0, pushes=0, target=server.target)
        os.kill(own_process(lab).pid, signal.SIGKILL)
        assert traffic.stop(lab).state == "died"
        traffic.start(lab, rate=50, clones=0, pushes=0, seconds=0.5, target=server.target)
        own_process(lab).wait(20)
        assert traffic.report(lab).state == "finished"  # by itself, after its seconds


def test_a_server_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    target = traffic.Target("http://127.0.0.1:1", "u", "p")
    with pytest.raises(traffic.NotLoadable, match="no connection"):
        traffic.start(tmp_path / "lab", target=target)
    assert traffic.report(tmp_path / "lab").state == "failed"


def test_without_a_run_there_is_no_report(tmp_path: Path) -> None:
    for command in (traffic.stop, traffic.report):
        with pytest.raises(traffic.NoRun, match="never was a run"):
            command(tmp_path)
