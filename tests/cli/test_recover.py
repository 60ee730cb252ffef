"""``bbdc recover``: after processes and machines that died."""

from __future__ import annotations

import pytest

from automation.backing import Backing
from automation.cli.exit_codes import ExitCode
from automation.core.backups.sets import Mode
from lab.sim.safe import MemoryJournal, SafeEstate
from lab.sim.wires import Killed
from tests.cli.conftest import Bbdc
from tests.cli.schemas import check
from tests.cli.vaults import dies, vaults

__all__ = ["vaults"]


def test_nothing_to_recover(bbdc: Bbdc, vaults: SafeEstate) -> None:
    told = bbdc("recover", "--json")
    assert told.code == ExitCode.OK
    check(told.json, "recovery")
    assert (told.json["ended"], told.json["owner"], told.json["stale"], told.json["orphans"]) == ([], None, [], [])
    assert bbdc("recover").out == "Bitbucket is free\n"


@pytest.mark.parametrize(("act", "state"), [("lock", "invalid"), ("begin_members", "invalid"), ("unlock", "complete")])
def test_a_dead_process_leaves_nothing_behind(bbdc: Bbdc, vaults: SafeEstate, act: str, state: str) -> None:
    with pytest.raises(Killed):
        Backing.of().create(tell=dies(act))
    assert (vaults.locked_by == "backup") == (act != "unlock")
    told = bbdc("recover", "--json")
    assert told.code == ExitCode.OK, told.err
    check(told.json, "recovery")
    (ended,) = told.json["ended"]
    assert (ended["set"]["state"], ended["outcome"]["ending"]) == (state, state)
    assert vaults.locked_by is None
    assert bbdc("recover", "--json").json["ended"] == []


def test_the_next_backup_recovers_by_itself(bbdc: Bbdc, vaults: SafeEstate) -> None:
    with pytest.raises(Killed):
        Backing.of().create(tell=dies("start_task"))
    vaults.clock.sleep(1.0)
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.OK, told.err
    for event in told.events:
        check(event, "backup_event")
    assert len({event["set"] for event in told.events if event["event"] == "backup"}) == 2
    assert [line["state"] for line in bbdc("backup", "list", "--json").json] == ["invalid", "complete"]


def test_somebody_elses_lock_is_shown_and_left_alone(bbdc: Bbdc, vaults: SafeEstate) -> None:
    vaults.somebody_locks("alice")
    told = bbdc("recover", "--json")
    assert (told.code, told.json["owner"], told.json["locked_by_us"]) == (ExitCode.OK, "alice", False)
    assert "locked by alice, and not by us" in bbdc("recover").out
    assert vaults.locked_by == "alice"


def test_a_lock_that_cannot_be_asked_for_is_said_so(bbdc: Bbdc, vaults: SafeEstate) -> None:
    vaults.maintenance.name = ""
    told = bbdc("recover", "--json")
    assert (told.code, told.json["owner"]) == (ExitCode.OK, None)
    assert "user and password" in told.json["owner_unknown"]
    assert "not known" in bbdc("recover").out


def lose_the_machine(vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the journal, as when a container's disk goes with it."""
    empty = MemoryJournal()
    monkeypatch.setattr(vaults.journal, "_entries", empty._entries)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_set_whose_journal_is_lost_is_stale_until_somebody_abandons_it(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    with pytest.raises(Killed):
        Backing.of().create(mode, tell=dies("begin_members"))
    lose_the_machine(vaults, monkeypatch)
    found = bbdc("recover", "--json")
    assert found.code == (ExitCode.STILL_LOCKED if mode is Mode.LOCKED else ExitCode.OK)
    (stale,) = found.json["stale"]
    assert stale["state"] == "pending"
    assert bbdc("recover").out.count(f"--abandon {stale['id']}") == (2 if mode is Mode.LOCKED else 1)
    told = bbdc("recover", "--abandon", stale["id"], "--json")
    assert told.code == ExitCode.OK, told.err
    check(told.json, "recovery")
    assert (told.json["ended"][0]["outcome"]["reason"], told.json["stale"]) == ("abandoned", [])
    assert vaults.locked_by is None
    assert {stored.tags["backup-state"] for stored in vaults.storage.stored.values()} == {"invalid"}
    again = bbdc("recover", "--abandon", stale["id"])
    assert again.code == ExitCode.REFUSED
    assert "only a pending set" in again.err


def test_abandoning_a_set_leaves_somebody_elses_lock_alone(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        Backing.of().create(tell=dies("begin_members"))
    lose_the_machine(vaults, monkeypatch)
    vaults.somebody_unlocks()
    vaults.somebody_locks("alice")
    (stale,) = bbdc("recover", "--json").json["stale"]
    assert bbdc("recover", "--abandon", stale["id"]).code == ExitCode.OK
    assert vaults.locked_by == "alice"


def test_a_lock_whose_token_nobody_knows_stays_and_is_said_so(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        Backing.of().create(tell=dies("begin_members"))
    lose_the_machine(vaults, monkeypatch)
    vaults.logs.readable = False
    (stale,) = bbdc("recover", "--json").json["stale"]
    told = bbdc("recover", "--abandon", stale["id"])
    assert told.code == ExitCode.STILL_LOCKED
    assert "STILL LOCKED by backup" in told.out
    vaults.logs.readable = True
    assert bbdc("recover").code == ExitCode.OK, "from then on the set stands in this machine's journal"
    assert vaults.locked_by is None


def test_an_unknown_set_cannot_be_abandoned(bbdc: Bbdc, vaults: SafeEstate) -> None:
    assert bbdc("recover", "--abandon", "20200101-000000-000").code == ExitCode.NOT_FOUND


def test_orphans_are_listed(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create")
    (found,) = vaults.manifests.all()
    vaults.manifests.remove(found.id)
    told = bbdc("recover", "--json")
    check(told.json, "recovery")
    assert {orphan["set"] for orphan in told.json["orphans"]} == {found.id}
    assert "bbdc backup prune" in bbdc("recover").out
