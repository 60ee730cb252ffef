"""The provider as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from lab.pulumi.azure.client import Account
from tests.lab.pulumi_aws.harness import Engine

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "lab.pulumi.azure"]


def _environment(account: Account | None) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "ARM_", "REQUESTS_"))}
    told = {} if account is None else {
        "AZURE_RESOURCE_MANAGER_ENDPOINT": account.endpoint,
        "AZURE_AUTHORITY_HOST": account.authority,
        "AZURE_TENANT_ID": account.tenant,
        "AZURE_CLIENT_ID": account.client,
        "AZURE_CLIENT_SECRET": account.secret,
        "AZURE_SUBSCRIPTION_ID": account.subscription,
        "REQUESTS_CA_BUNDLE": str(account.ca),
    }  # fmt: skip
    return {**inherited, "PYTHONPATH": str(ROOT), **told}


@contextmanager
def _started(command: list[str], account: Account) -> Iterator[subprocess.Popen[str]]:
    """Start a process; whatever a test finds, it is gone afterwards."""
    with subprocess.Popen(command, env=_environment(account), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_without_an_account_it_does_not_start() -> None:
    ran = subprocess.run(COMMAND, env=_environment(None), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "AZURE_CLIENT_SECRET" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.lab
def test_it_serves_on_loopback_until_it_is_terminated(account: Account) -> None:
    with _started(COMMAND, account) as process:
        port = _port(process)
        engine = Engine(port)
        found = engine.invoke("azure-native:authorization:getClientConfig")
        assert (found["subscriptionId"], found["clientId"]) == (account.subscription, account.client)
        assert engine.invoke("azure-native:authorization:getClientToken")["token"]
        listening = [c.laddr for c in psutil.Process(process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        # gRPC listens by the IPv6 form of the same address.
        assert [(a.ip.removeprefix("::ffff:"), a.port) for a in listening] == [("127.0.0.1", port)]
        engine.channel.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.lab
def test_it_does_not_outlive_its_parent(account: Account) -> None:
    with _started(["sh", "-c", f"{sys.executable} -m lab.pulumi.azure & sleep 600"], account) as parent:
        _port(parent)
        children = psutil.Process(parent.pid).children()
        parent.kill()
        gone, alive = psutil.wait_procs([c for c in children if c.name() != "sleep"], timeout=20)
        for child in alive + [c for c in children if c not in gone]:
            child.kill()
        assert len(gone) == 1
