"""A rig of real node processes, shared by the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.bitbucket.rig import Rig


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two running nodes; the fabric and the files around them."""
    rig = Rig(tmp_path_factory.mktemp("rig"))
    try:
        rig.start(1)
        rig.start(2)
        yield rig
    finally:
        rig.close()


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A rig of one's own, without nodes."""
    rig = Rig(tmp_path_factory.mktemp("fresh"), repositories=1)
    try:
        yield rig
    finally:
        rig.close()
