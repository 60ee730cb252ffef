from __future__ import annotations

from pathlib import Path

from lab.sim.estate import Estate
from tests.cli.conftest import Bbdc


def test_an_upgrade_goes_to_its_end_and_can_be_told_afterwards(bbdc: Bbdc, estate: Estate, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told = bbdc("upgrade", "7.9.4", "--yes", "--report", str(page))
    assert told.code == 0, told.err
    assert "every node runs 7.9.4" in told.out
    assert estate.cloud.model == "7.9.4"
    assert "<svg" in page.read_text()
    assert bbdc("status", "--json").json["state"] == "STABLE"
    again = bbdc("upgrade", "7.9.4", "--yes")
    assert again.code == 0
    assert "Nothing to do" in again.out
