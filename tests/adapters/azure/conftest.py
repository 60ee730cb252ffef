"""The lab's Azure with three nodes, and the real adapters over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.azure.roll_world import Rolling
from tests.adapters.azure.safe_world import Scripted
from tests.contracts.azure import cluster


@pytest.fixture
def rolling(tmp_path: Path) -> Iterator[Rolling]:
    """Three nodes at 7.9.0; nobody is in the pools."""
    faults = Scripted()
    with cluster(tmp_path, faults) as hands:
        faults.seen.clear()
        made = Rolling(hands, faults)
        yield made
        made.session.close()
