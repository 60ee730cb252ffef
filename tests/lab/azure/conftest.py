from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import ManualClock, Timings
from lab.azure.world import AzureWorld
from lab.data.storage import DirectoryStorage
from tests.lab.azure.estate import Estate


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """An empty subscription with a network; what takes time takes virtual seconds."""
    clock = ManualClock()
    root = tmp_path_factory.mktemp("azure")
    machines = PlainMachines(root / "machines", clock)
    timings = Timings(instance=3, power=2, model=1, snapshot=2, copying=10, restore_point=2, gateway=5)
    storage = DirectoryStorage(root / "data")
    world = AzureWorld(machines, root / "tls", clock=clock, timings=timings, storage=storage)
    with world, Clients(world) as clients:
        estate = Estate(world, clients, clock, machines, storage)
        estate.network()
        yield estate
