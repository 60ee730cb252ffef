"""Scripts over the lab's Systems Manager, whose shells are real."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from automation.adapters.aws.session import Caller
from automation.adapters.aws.shell import AwsShell
from automation.engine.restores import home
from automation.ports.errors import NotFound, Unavailable
from tests.lab.aws.estate import CLUSTER, Estate


class Passing:
    """A clock whose sleep lets the lab live, and its processes too."""

    def __init__(self, now: Callable[[], float], wait: Callable[[float], None]) -> None:
        self.now, self._wait = now, wait

    def sleep(self, seconds: float) -> None:
        time.sleep(0.02)
        self._wait(seconds)


@pytest.fixture
def shell(estate: Estate, caller: Caller, manual, wait) -> AwsShell:
    return AwsShell(caller, CLUSTER, Passing(manual.now, wait))


def test_a_script_finds_the_machines_own_root(shell: AwsShell, estate: Estate) -> None:
    node = estate.members()[1]
    assert shell.run(node, 'echo "$BBDC_ROOT"', timeout=30).output.endswith(f"{node}/root\n")


def test_bitbucket_is_stopped_held_and_started_on_a_machine(shell: AwsShell, estate: Estate, lab) -> None:
    node = estate.members()[0]
    state = lab.machines.directory(node) / "bitbucket.state"
    assert shell.run(node, home.stop("bitbucket"), timeout=30).output.endswith("stopped\n")
    assert state.read_text() == "inactive\n"
    rule = "root/etc/systemd/system/bitbucket.service.d/bbdc-restore.conf"
    assert (lab.machines.directory(node) / rule).exists()
    assert shell.run(node, home.start("bitbucket"), timeout=30).output == "started\n"
    assert state.read_text() == "active\n"
    assert not (lab.machines.directory(node) / rule).exists()


def test_a_machine_without_an_agent_is_not_found(shell: AwsShell, estate: Estate, faults, monkeypatch) -> None:
    node = estate.members()[0]
    monkeypatch.setattr(faults, "agent_lost", lambda instance: instance == node)
    with pytest.raises(NotFound, match=f"{node} cannot be commanded") as caught:
        shell.run(node, ":", timeout=30)
    assert "AmazonSSMManagedInstanceCore" in caught.value.hint
    with pytest.raises(NotFound):
        shell.run("i-0123456789abcdef0", ":", timeout=30)


def test_a_script_that_does_not_end_is_given_up(shell: AwsShell, estate: Estate) -> None:
    with pytest.raises(Unavailable, match="was given up: Execution Timed Out"):
        shell.run(estate.members()[0], "sleep 600", timeout=3)
