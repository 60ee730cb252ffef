"""Every suite of rolls and backups in virtual time runs over both kinds of cloud."""

from __future__ import annotations

import pytest

from lab.sim.flavours import BOTH, Flavour


@pytest.fixture(params=BOTH, ids=lambda flavour: flavour.name)
def cloud(request: pytest.FixtureRequest) -> Flavour:
    """Return one kind of cloud after the other."""
    found: Flavour = request.param
    return found
