"""A whole lab with real processes: the daemon, its balancer and its nodes; the estate is built with boto3."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest

from lab.program import progress
from lab.start import ask, start_daemon, stop
from lab.state import Options, Record, end
from tests.lab.aws.estate import Estate

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parents[2]
OPTIONS = Options(repositories=2, boot=1.0, stop=0.3, drain=5.0)


class Client:
    """What Estate needs of a world, spoken to from outside."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name="eu-west-1",
            endpoint_url=self._record.endpoint,
            aws_access_key_id=self._record.access_key,
            aws_secret_access_key="lab",
        )


class Lab:
    """A running lab."""

    estate: Estate

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.record = start_daemon(directory, OPTIONS)

    def build(self) -> Estate:
        estate = Estate.build(Client(self.record), octet=self.record.octet)  # type: ignore[arg-type]  # it needs client() only
        until(lambda: progress(self.status(), 3) == "")
        return estate

    def status(self) -> dict[str, Any]:
        return ask(self.record, "GET", "/status")

    def cli(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "lab.cli", *arguments, "--dir", str(self.directory)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        record = Record.read(self.directory)
        assert record is not None
        return [process for one in (record.daemon, *record.children) if (process := one.find()) is not None]


def until(true: Callable[[], object], patience: float = 40.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "lab")
    yield lab
    stop(lab.directory)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab with its estate; the tests that break it are the module's last."""
    lab = Lab(tmp_path_factory.mktemp("standing") / "lab")
    lab.estate = lab.build()
    yield lab
    stop(lab.directory)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Another lab beside it, without an estate; the test that ends it is the module's last."""
    lab = Lab(tmp_path_factory.mktemp("empty") / "lab")
    yield lab
    stop(lab.directory)


def test_a_machine_is_stopped_replaced_and_crashes(lab: Lab) -> None:
    estate = lab.build()
    auth = {"Authorization": f"Bearer {lab.record.bitbucket_token}"}
    assert httpx.get(f"{lab.record.url}/status").json() == {"state": "RUNNING"}
    seen = httpx.get(f"{lab.record.url}/rest/zdu/cluster", headers=auth).json()
    assert {node["ipAddress"] for node in seen["nodes"]} == {machine["address"] for machine in lab.status()["machines"]}
    one, two, _ = estate.members()
    stop_gracefully(estate, one)
    client = estate.world.client("autoscaling")
    client.terminate_instance_in_auto_scaling_group(InstanceId=one, ShouldDecrementDesiredCapacity=False)
    until(lambda: one not in estate.members() and progress(lab.status(), 3) == "")
    assert lab.status()["invariants"]["breaches"] == []

    lab.cli("fault", "set", "crash", f"instance={two}")
    until(lambda: estate.health().get(two) == "unhealthy")
    (line,) = [machine for machine in lab.status()["machines"] if machine["instance"] == two]
    assert (line["unit"], line["power"]) == ("failed", "up")
    lab.cli("fault", "set", "az-loss", f"zone={line['zone']}")
    until(lambda: two not in estate.members())
    assert len({member["AvailabilityZone"] for member in estate.describe()["Instances"]}) == 2


def stop_gracefully(estate: Estate, instance: str) -> None:
    ssm = estate.world.client("ssm")
    command = ssm.send_command(
        InstanceIds=[instance],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ["systemctl is-active bitbucket", "systemctl stop bitbucket"]},
    )["Command"]["CommandId"]

    def found() -> dict[str, Any]:
        answer: dict[str, Any] = ssm.get_command_invocation(CommandId=command, InstanceId=instance)
        return answer

    until(lambda: found()["Status"] not in {"Pending", "InProgress"})
    assert (found()["Status"], found()["StandardOutputContent"]) == ("Success", "active\n")


def test_strangers_are_kept_out(standing: Lab) -> None:
    for path in ("/status", "/routes", "/faults"):
        assert httpx.get(standing.record.control + path).status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert httpx.post(f"{standing.record.control}/stop", headers=wrong).status_code == 401


def test_nothing_secret_in_arguments_or_world_readable_files(standing: Lab) -> None:
    record = standing.record
    secrets = [record.token, record.password, record.bitbucket_token, record.passphrase]
    arguments = " ".join(" ".join(process.cmdline()) for process in standing.processes())
    logs = "".join(path.read_text(errors="replace") for path in standing.directory.rglob("*.log"))
    assert not [secret for secret in secrets if secret in arguments + logs]
    for path in standing.directory.rglob("*"):
        if path.is_file() and path.suffix in {".json", ".token"}:
            assert path.stat().st_mode & 0o077 == 0, path
    assert standing.directory.stat().st_mode & 0o077 == 0


def test_everything_listens_on_loopback_only(standing: Lab) -> None:
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")  # gRPC's socket speaks IPv6 to an IPv4 address
        for process in standing.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 9
    assert all(address.startswith("127.") for address in listening)


def test_a_lost_reply_leaves_bitbucket_locked_until_the_lock_is_lost(standing: Lab) -> None:
    lock = f"http://{standing.status()['machines'][0]['address']}:7990/mvc/maintenance/lock"
    headers = {"Content-Type": "application/json", "X-Atlassian-Token": "no-check"}
    with httpx.Client(auth=("admin", standing.record.password), headers=headers) as admin:
        standing.cli("fault", "set", "lock-reply-lost")
        with pytest.raises(httpx.TransportError):
            admin.post(lock)
        assert admin.get(lock).status_code == 200
        assert ask(standing.record, "GET", "/faults")["on"] == []
        standing.cli("fault", "set", "lock-lost", "at=locked")
        until(lambda: admin.get(lock).status_code == 404)


def test_breaches_are_recorded(standing: Lab) -> None:
    for instance in standing.estate.members()[:2]:
        ask(standing.record, "POST", "/faults", {"name": "crash", "params": {"instance": instance}})
    until(lambda: standing.status()["invariants"]["breaches"])
    (breach,) = standing.status()["invariants"]["breaches"]
    assert (breach["name"], breach["until"]) == ("serving_floor", None)
    assert "serving_floor" in standing.cli("status")


def test_two_labs_side_by_side_and_a_killed_one(standing: Lab, empty: Lab) -> None:
    assert empty.record.octet != standing.record.octet
    assert len({standing.record.http, standing.record.ssh, empty.record.http, empty.record.ssh}) == 4
    children = standing.processes()
    os.kill(standing.record.daemon.pid, signal.SIGKILL)
    psutil.wait_procs(children, timeout=20)
    assert len(children) > 2
    assert not [process for process in children if process.is_running() and not zombie(process)]
    assert stop(standing.directory) == 0
    assert not (standing.directory / "instances").exists()
    assert empty.status()["cluster"]["state"] == "STABLE"


def zombie(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def test_the_commands(empty: Lab) -> None:
    lines = empty.cli("env").splitlines()
    assert all(line.startswith("export ") for line in lines)
    assert f"export AWS_ENDPOINT_URL={empty.record.endpoint}" in lines
    assert "never-joins" in empty.cli("fault", "list")
    assert "launch-fails zone=eu-west-1a (2 times more)" in empty.cli(
        "fault", "set", "launch-fails", "zone=eu-west-1a", "times=2"
    )
    assert empty.cli("fault", "clear") == "1 faults switched off\n"
    with pytest.raises(subprocess.CalledProcessError) as refused:
        empty.cli("fault", "set", "gremlins")
    assert "no fault is called 'gremlins'" in refused.value.stderr
    assert "2 processes ended" in empty.cli("down")
    assert not (empty.directory / "lab.json").exists()
    with pytest.raises(subprocess.CalledProcessError) as gone:
        empty.cli("status")
    assert "no lab runs" in gone.value.stderr


def test_its_log_says_why_it_ended(tmp_path: Path) -> None:
    try:
        end([start_daemon(tmp_path, OPTIONS).daemon])
        log = (tmp_path / "log" / "daemon.log").read_text()
    finally:
        stop(tmp_path)
    assert "the lab ends: SIGTERM" in log
