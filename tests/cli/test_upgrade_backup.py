"""An upgrade that asks for a young backup set, and takes one when told to."""

from __future__ import annotations

import pytest

from automation.cli.exit_codes import ExitCode
from automation.core.cluster import ClusterState
from lab.sim.estate import Estate
from lab.sim.safe import SafeEstate
from tests.cli.conftest import Bbdc
from tests.cli.schemas import check
from tests.cli.vaults import vaults

__all__ = ["vaults"]


@pytest.fixture(autouse=True)
def _asks_for_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDC_ROLL__BACKUP_AGE", "3600")


def test_a_refusal_for_want_of_a_backup_offers_one(bbdc: Bbdc, estate: Estate, vaults: SafeEstate) -> None:
    told = bbdc("upgrade", "7.9.4", "--yes", "--json")
    assert told.code == ExitCode.REFUSED
    assert told.events[-1]["error"]["name"] == "backup_fresh"
    assert "bbdc upgrade VERSION --backup" in told.err
    assert "bbdc backup create" in bbdc("preflight", "7.9.4").out
    assert estate.world.bitbucket.cluster().state is ClusterState.STABLE
    assert vaults.manifests.all() == ()


def test_the_backup_is_taken_between_the_question_and_the_roll(bbdc: Bbdc, estate: Estate, vaults: SafeEstate) -> None:
    told = bbdc("upgrade", "7.9.4", "--yes", "--backup", "--json")
    assert told.code == ExitCode.OK, told.err
    for event in told.events:
        check(event, "event")
    names = [event["event"] for event in told.events]
    assert names.index("preflight") < names.index("survey") < names.index("record")
    (taken,) = vaults.manifests.all()
    assert (taken.mode, taken.state) == ("zero-downtime", "complete")


def test_without_a_good_backup_there_is_no_roll(bbdc: Bbdc, estate: Estate, vaults: SafeEstate) -> None:
    vaults.storage.limits.quota = 0
    told = bbdc("upgrade", "7.9.4", "--yes", "--backup", "--locked", "--json")
    assert told.code == ExitCode.INVALID
    assert told.events[-1]["error"]["name"] == "invalid_set"
    assert vaults.maintenance.calls.count("lock") == 1
    assert vaults.locked_by is None
    assert estate.world.bitbucket.cluster().state is ClusterState.STABLE
    assert bbdc("runs", "--json").json == []


def test_another_refusal_stands_before_any_backup(bbdc: Bbdc, estate: Estate, vaults: SafeEstate) -> None:
    assert bbdc("upgrade", "8.0.0", "--yes", "--backup").code == ExitCode.REFUSED
    assert bbdc("upgrade", "7.9.4", "--yes", "--locked").code == ExitCode.USAGE
    assert vaults.manifests.all() == ()
