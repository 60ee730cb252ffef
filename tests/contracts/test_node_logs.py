"""``ports.maintenance.NodeLogs``: what every implementation must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from automation.ports.errors import BbdcError, Forbidden, Throttled, Unavailable
from automation.ports.maintenance import NodeLogs
from lab.sim.maintenance import SimNodeLogs
from tests.contracts.shell_aws import shell_aws
from tests.contracts.shell_azure import shell_azure
from tests.contracts.shell_subjects import CloudSubject

LOCKED = "INFO  [hz.hazelcast.cached.thread-1] c.a.s.i.m.DefaultMaintenanceService The system has been locked for {}"


class LogHands(Protocol):
    """What happens on two nodes."""

    def locked(self, *locks: tuple[str, str]) -> None:
        """Let (time, token) be all locks that ever were: every node writes each into its log."""
        ...

    def mute(self, count: int) -> AbstractContextManager[None]:
        """Let nobody be able to ask the first one or both of the nodes for a while."""
        ...


@dataclass(frozen=True)
class LogSubject:
    """One implementation over two nodes."""

    logs: NodeLogs
    hands: LogHands


@dataclass
class SimLogHands:
    """``LogHands`` over virtual time, where the nodes' logs are one."""

    logs: SimNodeLogs

    def locked(self, *locks: tuple[str, str]) -> None:
        """Write the tokens down."""
        self.logs.tokens[:] = [token for _, token in sorted(locks)]

    @contextmanager
    def mute(self, count: int) -> Iterator[None]:
        """Let no log be read when nobody is left to read it."""
        self.logs.readable = count < 2
        yield
        self.logs.readable = True


@dataclass
class CloudLogHands:
    """``LogHands`` over real files on the lab's machines."""

    cloud: CloudSubject

    def locked(self, *locks: tuple[str, str]) -> None:
        """Write each node's log: one heard of it a moment after the other."""
        for number, node in enumerate(self.cloud.hands.nodes()):
            lines = [f"{when},{number}00 {LOCKED.format(_rest(token))}\n" for when, token in sorted(locks)]
            self.cloud.hands.log(node, "".join(["2026-11-19 09:59:59,000 INFO  [main] started\n", *lines]))

    def mute(self, count: int) -> AbstractContextManager[None]:
        """Disconnect the agents."""
        return self.cloud.hands.deaf(*self.cloud.hands.nodes()[:count])


def _rest(token: str) -> str:
    return f"maintenance by admin. It may be unlocked with token: {token}"


@contextmanager
def sim(_: Path) -> Iterator[LogSubject]:
    logs = SimNodeLogs()
    yield LogSubject(logs, SimLogHands(logs))


@contextmanager
def aws(root: Path) -> Iterator[LogSubject]:
    with shell_aws(root) as cloud:
        yield LogSubject(cloud.logs, CloudLogHands(cloud))


@contextmanager
def azure(root: Path) -> Iterator[LogSubject]:
    with shell_azure(root) as cloud:
        yield LogSubject(cloud.logs, CloudLogHands(cloud))


CLOUDS: Mapping[str, Callable[[Path], AbstractContextManager[LogSubject]]] = {"aws": aws, "azure": azure}
LOGS = {**CLOUDS, "sim": sim}
OF_CLOUDS = pytest.mark.parametrize("subject", sorted(CLOUDS), indirect=True)
OLD, NEW = ("2026-11-20 10:00:00", "aaa111"), ("2026-11-21 10:00:00", "bbb222")


@pytest.fixture(scope="module", params=sorted(LOGS))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogSubject]:
    """Two nodes for all tests here."""
    with LOGS[request.param](tmp_path_factory.mktemp("logs")) as made:
        yield made


def test_nobody_knows_one(subject):
    subject.hands.locked()
    assert subject.logs.unlock_tokens() == ()


def test_newest_first_each_once(subject):
    subject.hands.locked(OLD, NEW)
    assert subject.logs.unlock_tokens() == ("bbb222", "aaa111")


def test_a_node_that_cannot_be_asked_is_left_out(subject):
    subject.hands.locked(OLD, NEW)
    with subject.hands.mute(1):
        assert subject.logs.unlock_tokens() == ("bbb222", "aaa111")
    with subject.hands.mute(2):
        assert subject.logs.unlock_tokens() == ()


@OF_CLOUDS
def test_every_token_is_hidden_from_then_on(subject):
    subject.hands.locked(("2026-11-21 11:00:00", "ccc333"))
    assert subject.logs.unlock_tokens() == ("ccc333",)
    assert "ccc333" in subject.hands.cloud.hidden


@OF_CLOUDS
@pytest.mark.parametrize("error", [Unavailable("it did not end"), Throttled("slow down")])
def test_a_node_that_does_not_answer_hides_no_token_of_the_others(subject, monkeypatch, error):
    """A lost token is searched for when things go wrong: one node that hangs must not keep everybody locked out."""
    subject.hands.locked(OLD, NEW)
    broken(subject, monkeypatch, error, nodes=1)
    assert subject.logs.unlock_tokens() == ("bbb222", "aaa111")


@OF_CLOUDS
@pytest.mark.parametrize("error", [Unavailable("it did not end"), Forbidden("no")])
def test_where_nobody_told_one_and_somebody_did_not_answer_it_is_not_known_that_there_is_none(
    subject, monkeypatch, error
):
    subject.hands.locked()
    broken(subject, monkeypatch, error, nodes=1)
    with pytest.raises(type(error)):
        subject.logs.unlock_tokens()


def broken(subject: LogSubject, patch: pytest.MonkeyPatch, error: BbdcError, *, nodes: int) -> None:
    """Let commands to the first nodes raise."""
    shell, hands = subject.hands.cloud.shell, subject.hands.cloud.hands
    run, victims = shell.run, hands.nodes()[:nodes]

    def partly(machine: str, script: str, *, timeout: float):
        if machine in victims:
            raise error
        return run(machine, script, timeout=timeout)

    patch.setattr(shell, "run", partly)
