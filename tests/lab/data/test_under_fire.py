"""Snapshots while real Git pushes and real database writes go on: each is of one moment, for all volumes together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from lab.aws.ports import Timings
from lab.data.freeze import frozen
from lab.data.standstill import Standstill
from tests.lab.data.conftest import Lab, git, run

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parents[3]
PUSHER = """
set -e
n=0
while :; do
  n=$((n+1)); echo $n > file; git add file; git commit -qm $n
  git push -q "$1" HEAD:main; git push -q "$2" HEAD:main
done
"""
WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE t (v)")
n = 0
while True:
    n += 1
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO t VALUES (?)", [(n,), (n,)])
    db.execute("COMMIT")
"""
CHILDREN = """
import subprocess, sys, time
depth = int(sys.argv[1])
child = subprocess.Popen([sys.executable, __file__, str(depth - 1)]) if depth else None
while True:
    time.sleep(0.01)
"""


@contextmanager
def started(*command: object, where: Path) -> Iterator[int]:
    environment = os.environ | {
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "D", "GIT_AUTHOR_EMAIL": "d@example.com",
        "GIT_COMMITTER_NAME": "D", "GIT_COMMITTER_EMAIL": "d@example.com",
    }  # fmt: skip
    process = subprocess.Popen([str(word) for word in command], cwd=where, start_new_session=True, env=environment)
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(true: Callable[[], object], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def commits(repository: Path) -> int:
    found = subprocess.run(
        ["git", "rev-list", "--count", "main"], cwd=repository, capture_output=True, text=True, check=False
    )
    return int(found.stdout or 0)


def test_every_snapshot_of_two_volumes_is_of_one_moment(lab: Lab, tmp_path: Path) -> None:
    lab.world.timings = Timings(snapshot=0.0)
    server, one, two = lab.machine(), lab.volume(), lab.volume()
    lab.attach(one, server, "/dev/sdf")
    lab.attach(two, server, "/dev/sdg")
    targets = [lab.path(one) / "a.git", lab.path(two) / "b.git"]
    for target in targets:
        git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", str(target))
    work = tmp_path / "work"
    git(tmp_path, "init", "-q", "--initial-branch=main", str(work))
    database = lab.path(two) / "live.sqlite"
    with (
        started("sh", "-c", PUSHER, "pusher", *targets, where=work) as pusher,
        started(sys.executable, "-c", WRITER, database, where=work) as writer,
    ):
        lab.storage.still.writers = lambda: [pusher, writer]
        until(lambda: commits(targets[1]) > 2 and database.exists())
        for _ in range(5):
            acknowledged = commits(targets[1])
            made = lab.ec2.create_snapshots(InstanceSpecification={"InstanceId": server, "ExcludeBootVolume": True})
            copies = {s["VolumeId"]: lab.volume(SnapshotId=s["SnapshotId"]) for s in made["Snapshots"]}
            check(lab.path(copies[one]), lab.path(copies[two]), acknowledged)
        before = commits(targets[1])
        until(lambda: commits(targets[1]) > before + 1)  # everybody goes on afterwards


def check(one: Path, two: Path, acknowledged: int) -> None:
    for repository in (one / "a.git", two / "b.git"):
        git(repository, "fsck", "--strict", "--no-dangling")
    first, second = commits(one / "a.git"), commits(two / "b.git")
    assert second <= first <= second + 1, "the volumes are not of one moment"
    assert second >= acknowledged
    assert run(two / "live.sqlite", "PRAGMA integrity_check") == [("ok",)]
    assert run(two / "live.sqlite", "SELECT count(*) % 2 FROM t") == [(0,)]


def states(pid: int) -> set[str]:
    root = psutil.Process(pid)
    return {process.status() for process in (root, *root.children(recursive=True))}


def test_a_whole_family_stands_still_and_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "children.py"
    script.write_text(CHILDREN)
    with started(sys.executable, script, 3, where=tmp_path) as pid:
        until(lambda: len(psutil.Process(pid).children(recursive=True)) == 3)
        with frozen([pid]):
            assert states(pid) == {psutil.STATUS_STOPPED}
        until(lambda: psutil.STATUS_STOPPED not in states(pid))
        with pytest.raises(OSError, match="full"), frozen([pid]):
            raise OSError("the disk is full")
        until(lambda: psutil.STATUS_STOPPED not in states(pid))


def test_copies_at_the_same_time_share_one_standstill(tmp_path: Path) -> None:
    """Nobody goes on when the first copy is done, whoever began it; a writer born meanwhile stands for the next one."""
    script, told = tmp_path / "children.py", []
    script.write_text(CHILDREN)

    @contextmanager
    def watched() -> Iterator[None]:
        told.append("still")
        yield
        told.append("over")

    with started(sys.executable, script, 0, where=tmp_path) as one, ExitStack() as first, ExitStack() as second:
        writers = [one]
        standstill = Standstill(lambda: list(writers), watched)
        first.enter_context(standstill.held())
        with started(sys.executable, script, 0, where=tmp_path) as two:
            writers.append(two)
            second.enter_context(standstill.held())
            first.close()
            assert (states(one), states(two)) == ({psutil.STATUS_STOPPED}, {psutil.STATUS_STOPPED})
            assert told == ["still"]
            second.close()
            until(lambda: psutil.STATUS_STOPPED not in states(one) | states(two))
            assert told == ["still", "over"]
            with standstill.held():
                assert states(one) == {psutil.STATUS_STOPPED}


def test_who_was_stopped_before_stays_stopped_and_orphans_count(tmp_path: Path) -> None:
    script = tmp_path / "children.py"
    script.write_text(CHILDREN)
    with started(sys.executable, script, 2, where=tmp_path) as pid:
        until(lambda: len(psutil.Process(pid).children(recursive=True)) == 2)
        child, grandchild = psutil.Process(pid).children(recursive=True)
        child.kill()
        until(lambda: child.status() == psutil.STATUS_ZOMBIE)
        with frozen([pid]):
            assert grandchild.status() == psutil.STATUS_STOPPED
        until(lambda: grandchild.status() != psutil.STATUS_STOPPED)
        os.kill(grandchild.pid, signal.SIGSTOP)
        until(lambda: grandchild.status() == psutil.STATUS_STOPPED)
        with frozen([pid]):
            pass
        assert grandchild.status() == psutil.STATUS_STOPPED


def test_nobody_is_left_to_freeze() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    with frozen([process.pid]):
        pass
