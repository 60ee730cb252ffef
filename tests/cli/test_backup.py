"""``bbdc backup``: what every command says, and that it does what it says."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from automation import backing
from automation.cli.exit_codes import ExitCode
from automation.core.backups.retention import Retention
from lab.sim.safe import SafeEstate
from tests.cli.conftest import Bbdc
from tests.cli.schemas import check
from tests.cli.vaults import estate_over, vaults

__all__ = ["vaults"]


def test_a_locked_set_is_told_in_events_and_the_last_line_is_the_result(bbdc: Bbdc, vaults: SafeEstate) -> None:
    told = bbdc("backup", "create", "--name", "before the move", "--json")
    assert told.code == ExitCode.OK, told.err
    for event in told.events:
        check(event, "backup_event")
    first, last = told.events[0], told.events[-1]
    assert (first["event"], first["survey"]["refused"]) == ("survey", None)
    assert (last["event"], last["exit_code"], last["outcome"]["ending"]) == ("result", 0, "complete")
    assert (last["set"]["name"], last["set"]["state"], last["set"]["by"]) == ("before the move", "complete", "ada")
    passes = [event for event in told.events if event["event"] == "backup"]
    acts = [event["record"]["name"] for event in passes if event["record"]["kind"] == "act"]
    assert acts[:3] == ["write_manifest", "lock", "start_task"]
    assert acts.index("unlock") < acts.index("label")
    locked = [event for event in passes if event["locked"]]
    assert all(event["lock_seconds"] is not None for event in locked)
    assert {member["percent"] for event in passes for member in event["members"]} >= {50, 100}
    assert vaults.locked_by is None


def test_without_the_lock_nobody_is_locked_out(bbdc: Bbdc, vaults: SafeEstate) -> None:
    told = bbdc("backup", "create", "--zero-downtime", "--json")
    assert told.code == ExitCode.OK, told.err
    result = told.events[-1]["set"]
    assert (result["mode"], result["lock"]) == ("zero-downtime", None)
    assert vaults.maintenance.calls.count("lock") == 0


def test_words_for_people_in_a_pipe(bbdc: Bbdc, vaults: SafeEstate) -> None:
    told = bbdc("backup", "create")
    assert told.code == ExitCode.OK, told.err
    for words in (
        "checks passed; members:",
        "Bitbucket locked",
        "members begun",
        "users locked out for",
        "Bitbucket un",
    ):
        assert words in told.out
    assert told.out.index("Bitbucket unlocked") < told.out.index("waiting for the cloud to complete every member")
    assert "\x1b" not in told.out


def test_a_dry_run_changes_nothing(bbdc: Bbdc, vaults: SafeEstate) -> None:
    told = bbdc("backup", "create", "--dry-run", "--json")
    assert told.code == ExitCode.OK
    check(told.json, "survey")
    assert {source["kind"] for source in told.json["sources"]} == {"disk", "database"}
    assert "disk_ready" in bbdc("backup", "create", "--dry-run").out
    assert vaults.manifests.all() == ()
    assert vaults.maintenance.calls.count("lock") == 0


def test_list_and_show_find_a_set_by_id_and_by_name(bbdc: Bbdc, vaults: SafeEstate) -> None:
    assert bbdc("backup", "list").out == "no backup sets yet\n"
    assert bbdc("backup", "list", "--json").json == []
    bbdc("backup", "create", "--name", "weekly", "--keep")
    (line,) = bbdc("backup", "list", "--json").json
    check(line, "set_summary")
    assert (line["name"], line["state"], line["kept"], line["members"]) == ("weekly", "complete", True, 3)
    assert line["lock_beyond_drain_seconds"] <= line["lock_seconds"]
    manifest = bbdc("backup", "show", "weekly", "--json").json
    check(manifest, "manifest")
    assert manifest == bbdc("backup", "show", line["id"], "--json").json
    shown, listed = bbdc("backup", "show", "weekly").out, bbdc("backup", "list").out
    for words in (line["id"], "weekly", "complete"):
        assert words in shown
        assert words in listed
    assert "users locked out for" in shown


def test_verify_writes_what_it_finds_and_fails_when_a_member_is_gone(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create", "--name", "a")
    good = bbdc("backup", "verify", "a", "--json")
    assert good.code == ExitCode.OK, good.err
    check(good.json, "manifest")
    assert bbdc("backup", "list", "--json").json[0]["verified"]["passed"] is True
    vaults.storage.stored.pop(good.json["members"][0]["snapshot"])
    bad = bbdc("backup", "verify", "a")
    assert bad.code == ExitCode.INVALID
    assert "is gone" in bad.out


def test_prune_shows_first_and_removes_only_when_asked(
    bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = estate_over(vaults, tmp_path / "state", Retention(last=1))
    monkeypatch.setattr(backing, "estate_of", lambda *_, **__: estate)
    for name in ("first", "second", "third"):
        assert bbdc("backup", "create", "--name", name).code == ExitCode.OK
    bbdc("backup", "keep", "first")
    planned = bbdc("backup", "prune", "--json")
    check(planned.json, "pruning")
    assert (planned.code, planned.json["removed"]) == (ExitCode.OK, None)
    assert "bbdc backup prune --yes" in bbdc("backup", "prune").out
    assert len(vaults.manifests.all()) == 3
    pruned = bbdc("backup", "prune", "--yes", "--json")
    check(pruned.json, "pruning")
    assert len(pruned.json["removed"]["sets"]) == 1
    assert [line["name"] for line in bbdc("backup", "list", "--json").json] == ["first", "third"]
    assert bbdc("backup", "keep", "first", "--no", "--json").json["kept"] is False
    assert "removed 1 sets" in bbdc("backup", "prune", "--yes").out


def test_without_rules_nothing_is_pruned(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create")
    bbdc("backup", "create")
    told = bbdc("backup", "prune", "--yes")
    assert (told.code, "no retention is set" in told.out) == (ExitCode.OK, True)
    assert len(vaults.manifests.all()) == 2


def test_a_copy_takes_the_targets_key(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create", "--name", "a")
    words = ("--region", "eu-west-1", "--key", "key/eu-west-1", "--role", "arn:aws:iam::123456789012:role/backup")
    told = bbdc("backup", "copy", "a", *words, "--json")
    assert told.code == ExitCode.OK, told.err
    check(told.json, "manifest")
    (copied,) = told.json["copies"]
    assert (copied["region"], copied["account"], copied["state"]) == ("eu-west-1", "123456789012", "complete")
    assert bbdc("backup", "list", "--json").json[0]["copies"] == [
        {"region": "eu-west-1", "account": "123456789012", "state": "complete"}
    ]
    assert "is in us-east-1 too" in bbdc("backup", "copy", "a", "--region", "us-east-1").out


def test_what_was_verified_while_a_copy_ran_is_not_lost(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create", "--name", "a")
    (found,) = vaults.manifests.all()
    verified: list[int] = []

    def verify_meanwhile(_now: float) -> None:
        if not verified:
            verified.append(bbdc("backup", "verify", "a").code)

    vaults.clock.on_move(verify_meanwhile)
    assert bbdc("backup", "copy", "a", "--region", "eu-west-1").code == ExitCode.OK
    after = vaults.manifests.read(found.id)
    assert verified == [0]
    assert after.verified is not None
    assert after.copies


def test_export_is_closed_to_others_and_says_how_to_restore_by_hand(
    bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path
) -> None:
    bbdc("backup", "create", "--name", "a")
    file = tmp_path / "set.json"
    told = bbdc("backup", "export", "a", "--to", str(file), "--json")
    assert (told.code, told.json["file"]) == (ExitCode.OK, str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = json.loads(file.read_text())
    check(document, "export")
    commands = [step["command"] for step in document["by_hand"]]
    assert sum("create-volume" in command for command in commands) == 2
    assert sum("restore-db-instance-from-db-snapshot" in command for command in commands) == 1
    again = bbdc("backup", "export", "a", "--to", str(file))
    assert again.code == ExitCode.REFUSED
    assert "File exists" in again.err


def test_the_page_of_a_set(bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path) -> None:
    page, later = tmp_path / "page.html", tmp_path / "later.html"
    assert bbdc("backup", "create", "--report", str(page)).code == ExitCode.OK
    (found,) = vaults.manifests.all()
    assert bbdc("backup", "show", found.id, "--report", str(later)).code == ExitCode.OK
    assert page.read_text() == later.read_text()
    assert page.read_text().count("<svg") == 2
    assert all(member.snapshot in page.read_text() for member in found.members)


def test_a_set_whose_manifest_is_lost_is_found_by_its_tags(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create", "--name", "a")
    (found,) = vaults.manifests.all()
    vaults.manifests.remove(found.id)
    (line,) = bbdc("backup", "list", "--json").json
    check(line, "set_summary")
    assert (line["id"], line["state"], line["members"]) == (found.id, "complete", 3)
    assert bbdc("backup", "keep", found.id).code == ExitCode.OK
    assert vaults.manifests.read(found.id).kept


def test_a_kept_set_outlives_retention(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create", "--keep", "--name", "a")
    (found,) = vaults.manifests.all()
    vaults.manifests.write(replace(found, created=found.created - 4e8))
    assert "marked to be kept" in bbdc("backup", "prune").out


def test_help_of_every_command(bbdc: Bbdc) -> None:
    assert "Back up:" in bbdc("--help").out
    listed = bbdc("backup", "--help").out
    for name in ("create", "list", "show", "verify", "prune", "copy", "export", "keep", "cancel"):
        assert name in listed
        assert bbdc("backup", name, "--help").code == 0
    assert "--abandon" in bbdc("recover", "--help").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_the_commands(bbdc: Bbdc, shell: str) -> None:
    told = bbdc("completion", shell)
    assert told.code == ExitCode.OK
    for word in ("backup", "recover", "create", "zero-downtime"):
        assert word in told.out
