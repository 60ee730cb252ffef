from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.world import AwsWorld
from tests.lab.aws.estate import Estate


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def machines(tmp_path: Path, clock: ManualClock) -> PlainMachines:
    return PlainMachines(tmp_path, clock)


@pytest.fixture
def world(machines: PlainMachines, clock: ManualClock) -> Iterator[AwsWorld]:
    with AwsWorld(machines, clock=clock, probe=machines.probe) as world:
        yield world


@pytest.fixture
def estate(world: AwsWorld, clock: ManualClock) -> Estate:
    """Three nodes at 7.9.0, in service and healthy."""
    estate = Estate.build(world)
    pass_time(world, clock, 10)
    return estate


@pytest.fixture
def wait(world: AwsWorld, clock: ManualClock) -> Callable[[float], None]:
    """Let virtual seconds pass."""
    return lambda seconds: pass_time(world, clock, seconds)


def pass_time(world: AwsWorld, clock: ManualClock, seconds: float, step: float = 0.25) -> None:
    """Let time pass in small steps, as it does."""
    for _ in range(round(seconds / step)):
        clock.advance(step)
        with world.lock:
            world.advance()
