"""One body of tests for each port, run over every implementation.

An implementation is a function that takes a scratch directory and yields a ``Subject``; register it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.contracts.aws import aws
from tests.contracts.azure import azure
from tests.contracts.sim import rest_bitbucket, sim, sim_bitbucket, sim_in_place
from tests.contracts.subjects import BitbucketSubject, Subject

IMPLEMENTATIONS: Mapping[str, Callable[[Path], AbstractContextManager[Subject]]] = {
    "aws": aws,
    "azure": azure,
    "sim": sim,
    "sim-in-place": sim_in_place,
}
BITBUCKETS: Mapping[str, Callable[[Path], AbstractContextManager[BitbucketSubject]]] = {
    "rest": rest_bitbucket,
    "sim": sim_bitbucket,
}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """Return the implementation under test, with three nodes in service and healthy."""
    with IMPLEMENTATIONS[request.param](tmp_path) as made:
        yield made


@pytest.fixture(params=sorted(BITBUCKETS))
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BitbucketSubject]:
    """Return the implementation of Bitbucket's ports under test."""
    with BITBUCKETS[request.param](tmp_path) as made:
        yield made
