"""The provider as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.lab.pulumi_aws.harness import REGION, Engine

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "lab.pulumi.aws"]


def _environment(**account: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **account}


def _account(endpoint: str) -> dict[str, str]:
    return _environment(
        AWS_ENDPOINT_URL=endpoint, AWS_REGION=REGION, AWS_ACCESS_KEY_ID="lab", AWS_SECRET_ACCESS_KEY="lab"
    )


def test_without_an_account_it_does_not_start() -> None:
    ran = subprocess.run(
        COMMAND, env=_environment(AWS_REGION=REGION), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 2
    assert "AWS_ENDPOINT_URL" in ran.stderr
    assert ran.stdout == ""


@contextmanager
def _started(command: list[str], endpoint: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process; whatever a test finds, it is gone afterwards."""
    environment = _account(endpoint)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.mark.lab
def test_it_serves_on_loopback_until_it_is_terminated(endpoint: str) -> None:
    with _started(COMMAND, endpoint) as process:
        port = _port(process)
        engine = Engine(port)
        assert engine.invoke("aws:index/getRegion:getRegion")["region"] == REGION
        listening = [c.laddr for c in psutil.Process(process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        # gRPC listens by the IPv6 form of the same address.
        assert [(a.ip.removeprefix("::ffff:"), a.port) for a in listening] == [("127.0.0.1", port)]
        engine.channel.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.lab
def test_it_does_not_outlive_its_parent(endpoint: str) -> None:
    with _started(["sh", "-c", f"{sys.executable} -m lab.pulumi.aws & sleep 600"], endpoint) as parent:
        port = _port(parent)
        children = psutil.Process(parent.pid).children()
        parent.kill()
        gone, alive = psutil.wait_procs([c for c in children if c.name() != "sleep"], timeout=20)
        for child in alive + [c for c in children if c not in gone]:
            child.kill()
        assert len(gone) == 1
    assert _refuses(port)


def _refuses(port: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return True
    return False
