"""Lost unlock tokens out of the nodes' logs, over the lab's Systems Manager and its real shells."""

from __future__ import annotations

import pytest

from automation.adapters.aws.node_logs import AwsNodeLogs
from automation.adapters.aws.session import Aws
from automation.adapters.aws.shell import AwsShell
from automation.adapters.logs import Redactor
from automation.ports.errors import NotFound
from automation.ports.shell import Result
from tests.lab.aws.estate import CLUSTER

HOME = "/var/atlassian/application-data/bitbucket"
LINE = (
    "{when} INFO  [hz.hazelcast.cached.thread-1] c.a.s.i.m.DefaultMaintenanceService The system has been locked {rest}"
)


def line(when: str, token: str) -> str:
    rest = f"for maintenance by admin. It may be unlocked with token: {token}"
    return LINE.format(when=when, rest=rest)


class Nodes:
    """A shell whose machines have logs, or are gone."""

    def __init__(self, logs: dict[str, str]) -> None:
        self.logs = logs
        self.scripts: list[str] = []

    def run(self, machine: str, script: str, *, timeout: float) -> Result:
        self.scripts.append(script)
        if machine not in self.logs:
            raise NotFound(f"{machine} cannot be commanded")
        return Result(0, self.logs[machine])

    def file_server(self) -> str:
        raise NotFound("none")


def test_newest_first_each_once_and_hidden(estate):
    first, second, _ = estate.members()
    shell = Nodes(
        {
            first: "\n".join([line("2026-11-20 10:00:00,001", "aaa111"), line("2026-11-21 10:00:00,002", "bbb222")]),
            second: line("2026-11-21 10:00:00,900", "bbb222") + ".\nIt may be unlocked with nothing\n",
        }
    )
    redactor = Redactor()
    logs = AwsNodeLogs(Aws().caller(), CLUSTER, shell, HOME, redactor)
    assert logs.unlock_tokens() == ("bbb222", "aaa111")
    assert "bbb222" not in redactor.text("token bbb222")
    assert len(shell.scripts) == 3
    assert all(f'"${{BBDC_ROOT:-}}{HOME}/log/atlassian-bitbucket.log"' in script for script in shell.scripts)


def test_nobody_knows_one(estate):
    shell = Nodes(dict.fromkeys(estate.members(), ""))
    assert AwsNodeLogs(Aws().caller(), CLUSTER, shell, HOME, Redactor()).unlock_tokens() == ()


def test_through_systems_manager(estate, lab, hands_clock):
    first, second, _ = estate.members()
    for number, node in enumerate((first, second)):
        log = lab.machines.directory(node) / "root" / HOME.lstrip("/") / "log" / "atlassian-bitbucket.log"
        log.parent.mkdir(parents=True)
        noise = "2026-11-21 09:59:59,000 INFO  [main] started\n"
        log.write_text(noise + line(f"2026-11-21 10:00:0{number},000", f"tok-{number}") + "\n")
    caller = Aws().caller()
    logs = AwsNodeLogs(caller, CLUSTER, AwsShell(caller, CLUSTER, hands_clock), HOME, Redactor())
    assert logs.unlock_tokens() == ("tok-1", "tok-0")


@pytest.fixture
def hands_clock(wait, manual):
    """A clock whose sleepers move the world."""

    class Moving:
        def now(self) -> float:
            return manual.now()

        def sleep(self, seconds: float) -> None:
            wait(seconds)

    return Moving()
