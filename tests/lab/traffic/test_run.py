"""Whole runs against a small real server with real git."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.traffic.client import Client
from lab.traffic.committers import read_pushes
from lab.traffic.git import Git, GitFailed
from lab.traffic.lock import Lock
from lab.traffic.report import TrafficReport
from lab.traffic.run import CannotBegin, Run
from lab.traffic.settings import Settings
from lab.traffic.verify import verify
from tests.lab.traffic.server import (
    Failing,
    Server,
    another_page,
    hang_up,
    maintenance,
    redirect,
    server_error,
    serving,
)

PAGES = ("dashboard", "repository", "rest")


def settings(folder: Path, **changes: object) -> Settings:
    base = Settings("run", str(folder), rate=150, clones=0, pushes=0, seconds=1.5, sessions=4, seed=1)
    made = replace(base, **changes)  # type: ignore[arg-type] # a table of values
    made.write()
    return made


def go(folder: Path, scenario: Callable[[Server], Awaitable[None]]) -> None:
    async def served() -> None:
        async with asyncio.timeout(60), serving(folder) as server:
            await scenario(server)

    asyncio.run(served())


async def after(seconds: float, act: Callable[[], None]) -> None:
    await asyncio.sleep(seconds)
    act()


def pages(report: TrafficReport) -> int:
    return sum(kind.requests for name, kind in report.kinds.items() if name in PAGES)


def test_a_quiet_run_counts_every_request_once_and_fails_none(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        report = await Run(settings(tmp_path), server.target).go()
        assert (report.state, report.failed, report.failures) == ("finished", 0, ())
        assert pages(report) == report.requests == server.seen["page"]
        assert sum(second.requests for second in report.series) == report.requests
        assert report.rate == pytest.approx(150, rel=0.1)
        assert server.seen["login"] == 4
        assert 0 < report.p50_ms <= report.p99_ms <= report.max_ms

    go(tmp_path, scenario)


@pytest.mark.parametrize("how", [server_error, hang_up, redirect, another_page])
@pytest.mark.parametrize("count", [1, 17])
def test_exactly_the_failures_that_were_injected_are_counted_with_their_times(
    tmp_path: Path, how: Failing, count: int
) -> None:
    async def scenario(server: Server) -> None:
        began = time.time()
        report, _ = await asyncio.gather(
            Run(settings(tmp_path), server.target).go(), after(0.7, lambda: server.fail("page", count, how))
        )
        assert server.broken == 0
        assert report.failed == count == len(report.failures) == sum(second.failed for second in report.series)
        assert report.requests == server.seen["page"]  # none was repeated to get around the failure
        first, last = server.broken_between[0], server.broken_between[-1]
        assert all(first - 0.5 <= failure.time <= last for failure in report.failures)
        assert began < report.failures[0].time
        if how is server_error:
            assert {(failure.status, failure.upstream) for failure in report.failures} == {(500, "i-broken")}

    go(tmp_path, scenario)


def test_requests_are_due_at_a_constant_rate_however_slow_the_answers(tmp_path: Path) -> None:
    """The server stands still for a while: what was due meanwhile is counted, with its whole waiting time."""

    async def scenario(server: Server) -> None:
        report, _ = await asyncio.gather(
            Run(settings(tmp_path, rate=100.0, seconds=2.0), server.target).go(),
            after(1.0, lambda: time.sleep(0.5)),
        )
        assert report.requests == pytest.approx(200, abs=5)
        assert sum(second.requests for second in report.series) == report.requests
        assert report.max_ms > 400
        assert report.p99_ms > 300  # about 50 of 200 requests were due while it stood still

    go(tmp_path, scenario)


def test_clones_and_pushes_are_real_and_verified(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        made = settings(tmp_path, rate=20.0, clones=4.0, pushes=5.0, seconds=2.0)
        report = await Run(made, server.target).go()
        assert report.failed == 0
        assert report.kinds["clone"].requests == pytest.approx(8, abs=1)
        assert report.kinds["push"].requests == report.pushes_acknowledged == report.pushes_verified
        assert report.pushes_acknowledged > 5
        assert (report.missing, report.verification_error) == ((), None)
        for push in read_pushes(made.folder / "pushes.jsonl"):
            tip = server.git(push.repository.removeprefix("PRJ/"), "rev-list", push.branch)
            assert push.commit in tip.split()
        assert not made.work.exists()  # cleaned up

    go(tmp_path, scenario)


def test_failed_clones_and_pushes_are_counted_and_not_acknowledged(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        made = settings(tmp_path, rate=0.0, clones=4.0, pushes=4.0, seconds=2.0)
        report, _ = await asyncio.gather(
            Run(made, server.target).go(), after(0.9, lambda: server.fail("git", 3, server_error))
        )
        assert server.broken == 0
        assert 0 < report.failed <= 3  # a git command may have asked twice
        assert {failure.kind for failure in report.failures} <= {"clone", "push"}
        assert all("500" in failure.error for failure in report.failures)
        failed_pushes = report.kinds["push"].failed
        assert report.pushes_acknowledged == report.kinds["push"].requests - failed_pushes == report.pushes_verified

    go(tmp_path, scenario)


def test_a_server_that_acknowledges_and_forgets_is_found_out(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        hook = server.repository("alpha") / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nwhile read old new ref; do git update-ref -d $ref; done\n")
        hook.chmod(0o755)
        report = await Run(settings(tmp_path, rate=0.0, pushes=8.0, seconds=1.5), server.target).go()
        assert report.failed == 0  # nobody was told
        lost = [push for push in report.missing if push.repository == "PRJ/alpha"]
        assert lost
        assert len(lost) == len(report.missing)
        assert report.pushes_verified == report.pushes_acknowledged - len(lost)

    go(tmp_path, scenario)


def test_one_missing_commit_among_others_is_named(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        made = settings(tmp_path, rate=0.0, pushes=10.0, seconds=3.0)
        await Run(made, server.target).go()
        pushes = read_pushes(made.folder / "pushes.jsonl")
        last = pushes[-1]
        slug = last.repository.removeprefix("PRJ/")
        server.git(slug, "update-ref", f"refs/heads/{last.branch}", f"{last.commit}~1")
        git = Git(server.target, tmp_path)
        found = await verify(git, tmp_path, pushes)
        assert found.missing == (last,)
        assert found.verified == len(pushes) - 1

    go(tmp_path, scenario)


def test_a_server_that_cannot_be_asked_is_another_finding_than_a_missing_push(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        made = settings(tmp_path, rate=0.0, pushes=4.0, seconds=1.0)
        await Run(made, server.target).go()
        server.fail("git", 10_000)
        found = await verify(Git(server.target, tmp_path), tmp_path, read_pushes(made.folder / "pushes.jsonl"))
        assert (found.verified, found.missing) == (0, ())
        assert found.error is not None
        assert "500" in found.error

    go(tmp_path, scenario)


def test_a_planned_lock_turns_away_and_fails_nobody(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        async def lock() -> None:
            await asyncio.sleep(0.7)
            for what in ("page", "git"):
                server.fail(what, 10_000, maintenance)
                await asyncio.sleep(0.4)
            server.fail("page", 0)

        made = settings(tmp_path, rate=50.0, clones=6.0, pushes=6.0, seconds=2.0)
        report, _ = await asyncio.gather(Run(made, server.target).go(), lock())
        assert report.failed == 0
        assert report.maintenance > report.kinds["push"].maintenance + report.kinds["clone"].maintenance > 0
        assert report.maintenance == sum(window.requests for window in report.locked)
        acknowledged = report.kinds["push"].requests - report.kinds["push"].maintenance
        assert report.pushes_acknowledged == report.pushes_verified == acknowledged
        assert all(0 < push.began <= push.time for push in read_pushes(made.folder / "pushes.jsonl"))

    go(tmp_path, scenario)


@pytest.mark.parametrize(
    ("text", "locked", "explained"),
    [
        ("fatal: the remote end hung up", True, False),
        ("error: RPC failed; HTTP 503 curl 22", True, True),
        ("error: RPC failed; HTTP 503 curl 22", False, False),
        ("remote: Bitbucket is currently under maintenance. | fatal: 503", False, True),
    ],
)
def test_a_503_that_git_does_not_explain_is_asked_for(
    tmp_path: Path,
    text: str,
    locked: bool,  # noqa: FBT001 -- a table's column
    explained: bool,  # noqa: FBT001 -- a table's column
) -> None:
    async def scenario(server: Server) -> None:
        client = Client(server.url)
        server.locked = locked
        began = asyncio.get_running_loop().time()
        lock = Lock(client)
        assert await lock.explains(GitFailed("push", 1, text), began) is explained
        server.locked = False  # it is over already, but others were turned away meanwhile
        lock.noted()
        assert await lock.explains(GitFailed("push", 1, "HTTP 503"), began)
        client.close()

    go(tmp_path, scenario)


def test_the_first_who_is_turned_away_asks_until_the_other_nodes_have_heard_of_the_lock(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        client = Client(server.url)
        server.locked, server.unheard = True, 2
        refused = GitFailed("push", 1, "error: RPC failed; HTTP 503 curl 22")
        assert await Lock(client).explains(refused, asyncio.get_running_loop().time())
        assert server.seen["status"] == 3
        client.close()

    go(tmp_path, scenario)


def test_a_wrong_password_is_said_before_any_load(tmp_path: Path) -> None:
    async def scenario(server: Server) -> None:
        with pytest.raises(CannotBegin, match="redirect with a session cookie") as error:
            await Run(settings(tmp_path), replace(server.target, password="wrong")).go()
        assert "wrong" not in str(error.value)
        with pytest.raises(CannotBegin, match="401"):
            await Run(settings(tmp_path, run="another"), replace(server.target, token="wrong")).go()
        assert server.seen["page"] == 0

    go(tmp_path, scenario)
