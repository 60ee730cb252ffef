"""The lab's AWS with three nodes, and callers of the real adapters over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from automation.adapters.aws.session import Aws, Caller
from lab.aws.plain import PlainMachines
from lab.aws.ports import Call, ManualClock, NoFaults, Reply
from lab.aws.world import AwsWorld
from tests.contracts.aws import environment
from tests.lab.aws.conftest import pass_time
from tests.lab.aws.estate import Estate


@dataclass
class Scripted(NoFaults):
    """Faults by action, each used up once it has happened."""

    refusals: dict[str, list[Reply]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def refuse(self, call: Call) -> Reply | None:
        """Refuse as scripted, and note every call."""
        self.seen.append(call.action)
        return self.refusals[call.action].pop(0) if self.refusals.get(call.action) else None

    def lose_reply(self, call: Call) -> bool:
        """Lose the reply of a scripted action."""
        if call.action not in self.lost:
            return False
        self.lost.remove(call.action)
        return True


@pytest.fixture
def faults() -> Scripted:
    return Scripted()


@pytest.fixture
def manual() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lab(tmp_path: Path, manual: ManualClock, faults: Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsWorld]:
    """An empty AWS that every boto3 session finds."""
    machines = PlainMachines(tmp_path, manual)
    with AwsWorld(machines, clock=manual, probe=machines.probe, faults=faults) as world:
        for name, value in environment(world).items():
            monkeypatch.setenv(name, value)
        yield world


@pytest.fixture
def wait(lab: AwsWorld, manual: ManualClock) -> Callable[[float], None]:
    return lambda seconds: pass_time(lab, manual, seconds)


@pytest.fixture
def estate(lab: AwsWorld, wait: Callable[[float], None], faults: Scripted) -> Estate:
    """Three nodes at 7.9.0, in service and healthy."""
    built = Estate.build(lab)
    wait(10)
    faults.seen.clear()
    return built


@pytest.fixture
def caller(lab: AwsWorld) -> Caller:
    return Aws().caller()
