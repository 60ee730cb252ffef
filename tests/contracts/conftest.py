"""One body of tests for each port, run over every implementation.

An implementation is a function that takes a scratch directory and yields a ``Subject``; register it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.contracts.aws import aws
from tests.contracts.subjects import Subject

IMPLEMENTATIONS: Mapping[str, Callable[[Path], AbstractContextManager[Subject]]] = {"aws": aws}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """Return the implementation under test, with three nodes in service and healthy."""
    with IMPLEMENTATIONS[request.param](tmp_path) as made:
        yield made
