"""Backup commands against the simulated estate of volumes, database and lock, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from automation import backing
from automation.adapters.runs.store import Store
from automation.backup_estate import BackupEstate
from automation.core.backups.memory import Memory
from automation.core.backups.retention import Retention
from automation.core.roll import Record
from lab.sim.backups import QUICK
from lab.sim.safe import SafeEstate
from lab.sim.wires import Killed

Hook = Callable[[Record, Memory], None]


def estate_over(made: SafeEstate, state: Path, retention: Retention | None = None) -> BackupEstate:
    """Return a simulated estate as the commands hold it."""
    return BackupEstate("sim", made.safe, QUICK, Store(state), retention or Retention())


@pytest.fixture
def vaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SafeEstate:
    """A serving cluster with data; every command meets it."""
    made = SafeEstate(seed=5)
    monkeypatch.setattr(backing, "estate_of", lambda *_, **__: estate_over(made, tmp_path / "state"))
    return made


def dies(act: str) -> Hook:
    """Return a hook that ends the process just after an act, as kill -9 would."""

    def hook(record: Record, _memory: Memory) -> None:
        if (record.kind, record.name) == ("act", act):
            raise Killed

    return hook
