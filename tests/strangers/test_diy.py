"""A shell script that knows Atlassian's public API only backs the lab's Bitbucket up, through all that can go wrong."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.lab.bitbucket import fire
from tests.lab.bitbucket.rig import PASSWORD, Rig, wait_for

pytestmark = pytest.mark.lab

SCRIPT = Path(__file__).parent / "diy.sh"
ALL = ["locked", "backup started", "drained", "copied", "completed", "unlocked"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    rig = Rig(tmp_path_factory.mktemp("rig"), repositories=2)
    try:
        rig.start(1)
        rig.start(2)
        yield rig
    finally:
        rig.close()


@pytest.fixture(autouse=True)
def unlocked(rig: Rig) -> Iterator[None]:
    yield
    rig.fabric.clear_faults()
    wait_for(lambda: rig.state(1) == rig.state(2) == "RUNNING")


def begin(rig: Rig, to: Path, **environment: str) -> subprocess.Popen[str]:
    known = {
        "PATH": os.environ["PATH"],
        "BITBUCKET_URL": f"http://{rig.address(1)}:7990",
        "BITBUCKET_USER": "admin",
        "BITBUCKET_PASSWORD": PASSWORD,
        "BITBUCKET_HOME": str(rig.shared),
        "BITBUCKET_DATABASE": str(rig.database),
        "BACKUP_ROOT": str(to),
    }
    pipe = subprocess.PIPE
    return subprocess.Popen([str(SCRIPT)], env=known | environment, stdout=pipe, stderr=pipe, text=True)


def run(rig: Rig, to: Path, **environment: str) -> tuple[int, list[str], str]:
    """Run the script; return exit code, lines, complaints."""
    process = begin(rig, to, **environment)
    out, err = process.communicate(timeout=60)
    return process.returncode, out.splitlines(), err


def is_free(rig: Rig) -> bool:
    answer = httpx.get(f"http://{rig.address(1)}:7990/mvc/maintenance/lock", auth=("admin", PASSWORD))
    return answer.status_code == 404


def test_it_backs_up_what_was_acknowledged_while_others_push(rig: Rig, tmp_path: Path) -> None:
    url = f"http://{rig.address(2)}:7990/scm/pay/gateway-service.git"
    pusher = fire.Pusher(tmp_path, url, "meanwhile")
    pusher.start()
    try:
        wait_for(lambda: len(pusher.acknowledged) > 1)
        assert run(rig, tmp_path / "backup") == (0, ALL, "")
    finally:
        pusher.end()
    assert is_free(rig)
    tip = fire.tip(tmp_path / "backup", 1, "meanwhile")
    assert tip in pusher.acknowledged
    with closing(sqlite3.connect(tmp_path / "backup" / rig.database.name)) as database:
        rows = database.execute("SELECT to_hash FROM sta_repo_push_ref WHERE ref_id = 'refs/heads/meanwhile'")
        assert [row[0] for row in rows] == pusher.acknowledged[: pusher.acknowledged.index(tip) + 1]
        assert database.execute("SELECT count(*) FROM repository").fetchone() == (2,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert fire.git("fsck", "--strict", at=tmp_path / "backup" / "repositories" / "1").returncode == 0


def test_somebody_elses_lock_is_respected(rig: Rig, tmp_path: Path) -> None:
    headers = {"Content-Type": "application/json"}
    with httpx.Client(base_url=f"http://{rig.address(2)}:7990", auth=("admin", PASSWORD), headers=headers) as other:
        token = other.post("/mvc/maintenance/lock").json()["unlockToken"]
        assert run(rig, tmp_path / "backup") == (1, [], "error: the lock was refused: HTTP 409\n")
        assert other.get("/mvc/maintenance/lock").status_code == 200
        assert other.delete(f"/mvc/maintenance/lock?token={token}").status_code == 202


def test_a_drain_that_never_ends_is_given_up(rig: Rig, tmp_path: Path) -> None:
    rig.fabric.fault("drain_never")
    code, lines, complaint = run(rig, tmp_path / "backup", DRAIN_POLLS="5")
    assert (code, lines, complaint) == (1, ["locked", "backup started", "unlocked"], "error: it never drained\n")
    assert is_free(rig)


def test_one_503_on_unlock_is_tried_again(rig: Rig, tmp_path: Path) -> None:
    rig.fabric.fault("http_error", times=1, status=503, path="/mvc/maintenance/lock", method="DELETE")
    assert run(rig, tmp_path / "backup")[:2] == (0, ALL)
    assert rig.fabric.faults() == []
    assert is_free(rig)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_unlocks(rig: Rig, tmp_path: Path, number: signal.Signals) -> None:
    rig.fabric.fault("drain_never")
    process = begin(rig, tmp_path / "backup")
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    assert process.stdout.readline() == "backup started\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "unlocked\n")
    assert is_free(rig)


def test_no_secret_is_on_a_command_line(rig: Rig, tmp_path: Path) -> None:
    """Whoever lists the processes would read it there: a curl in front of the real one writes its arguments down."""
    told = tmp_path / "arguments"
    spy = tmp_path / "bin" / "curl"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$@" >> {told}\nexec {shutil.which("curl")} "$@"\n')
    spy.chmod(0o755)
    process = begin(rig, tmp_path / "backup", PATH=f"{spy.parent}:{os.environ['PATH']}")
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    held = rig.fabric.cluster.maintenance.held
    assert held is not None
    assert process.communicate(timeout=60)[0].splitlines() == ALL[1:]
    assert "--config -" in told.read_text()
    for secret in (PASSWORD, held.token):
        assert secret not in told.read_text()
