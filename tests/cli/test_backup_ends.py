"""Every bad end of a backup command: a clear message, its exit code, and Bitbucket free unless it says otherwise."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from automation import backing
from automation.adapters.runs.holder import BACKUP, hold
from automation.adapters.runs.store import Store
from automation.cli.exit_codes import ExitCode, code_of_backup
from automation.core.backups.memory import Ending, Outcome
from automation.core.backups.retention import Retention
from automation.core.backups.sets import MemberKind, SetState
from automation.ports.errors import Forbidden, NotAuthenticated, Throttled, Unavailable, Unreachable
from lab.sim.safe import SafeEstate
from tests.cli.conftest import Bbdc, Told
from tests.cli.schemas import check
from tests.cli.vaults import estate_over, vaults

__all__ = ["vaults"]


def result(told: Told) -> dict[str, Any]:
    """Return the last line, which is the result, whatever the end."""
    check(told.events[-1], "backup_event")
    assert told.events[-1]["event"] == "result"
    assert told.events[-1]["exit_code"] == told.code
    return dict(told.events[-1])


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda e: setattr(e.maintenance, "name", ""), "password"),
        (lambda e: setattr(e.maintenance, "may", False), "may_lock"),
        (lambda e: setattr(e.storage.limits, "database_state", "backing-up"), "database_ready"),
        (lambda e: setattr(e.storage.limits, "volume_problem", "it is detaching"), "disk_ready"),
    ],
    ids=["no password", "no permission", "database busy", "volume busy"],
)
def test_a_check_that_says_no_changes_nothing(bbdc: Bbdc, vaults: SafeEstate, spoil, rule: str) -> None:
    spoil(vaults)
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.REFUSED
    check(told.events[-1], "error")
    assert told.events[-1]["error"]["name"] == rule
    assert vaults.manifests.all() == ()
    assert vaults.storage.stored == {}
    assert vaults.maintenance.calls.count("lock") == 0
    dry = bbdc("backup", "create", "--dry-run", "--json")
    assert (dry.code, dry.json["refused"]) == (ExitCode.REFUSED, rule)
    assert rule in bbdc("backup", "create", "--dry-run").out


def test_a_lock_that_somebody_else_holds_is_a_conflict_and_stays(bbdc: Bbdc, vaults: SafeEstate) -> None:
    vaults.somebody_locks("alice")
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.CONFLICT
    assert told.events[-1]["error"]["name"] == "already_locked"
    assert "alice" in told.err
    assert bbdc("backup", "create", "--dry-run").code == ExitCode.CONFLICT
    assert vaults.locked_by == "alice"
    assert vaults.manifests.all() == ()


def test_a_lock_that_somebody_takes_just_before_us_is_a_conflict_too(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = vaults.manifests.write

    def quick(manifest) -> None:
        if vaults.locked_by is None and manifest.state is SetState.PENDING:
            vaults.somebody_locks("alice")
        write(manifest)

    monkeypatch.setattr(vaults.manifests, "write", quick)
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.CONFLICT
    assert result(told)["outcome"] == {
        "ending": "invalid",
        "reason": "already_locked",
        "detail": told.events[-1]["set"]["detail"],
    }
    assert vaults.locked_by == "alice"


def test_a_failed_snapshot_makes_an_invalid_set_and_bitbucket_is_free(bbdc: Bbdc, vaults: SafeEstate) -> None:
    vaults.storage.limits.failing.append(MemberKind.DATABASE)
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.INVALID
    assert result(told)["outcome"]["reason"] == "snapshot_failed"
    assert "an internal error occurred" in told.err
    assert vaults.locked_by is None
    (line,) = bbdc("backup", "list", "--json").json
    assert (line["state"], line["reason"]) == ("invalid", "snapshot_failed")


def test_a_quota_makes_an_invalid_set_and_lists_no_orphan(bbdc: Bbdc, vaults: SafeEstate) -> None:
    vaults.storage.limits.quota = 1
    told = bbdc("backup", "create")
    assert told.code == ExitCode.INVALID
    assert "snapshot_quota" in told.err
    assert vaults.locked_by is None
    assert "Traceback" not in told.err


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_under_the_lock_unlocks_and_makes_the_set_invalid(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    start = vaults.maintenance.start_task

    def interrupted(token: str):
        os.kill(os.getpid(), sent)
        return start(token)

    monkeypatch.setattr(vaults.maintenance, "start_task", interrupted)
    before = signal.getsignal(sent)
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.INVALID
    assert result(told)["outcome"]["reason"] == "interrupted"
    assert sent.name in told.err
    assert vaults.locked_by is None
    assert signal.getsignal(sent) == before


def test_a_signal_after_the_unlock_leaves_the_set_pending_and_the_next_run_completes_it(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlock = vaults.maintenance.unlock

    def interrupted(token: str) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return unlock(token)

    monkeypatch.setattr(vaults.maintenance, "unlock", interrupted)
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.INTERRUPTED
    assert result(told)["outcome"]["ending"] == "pending"
    assert "completes it" in told.err
    monkeypatch.setattr(vaults.maintenance, "unlock", unlock)
    assert bbdc("backup", "create", "--zero-downtime").code == ExitCode.OK
    assert [line["state"] for line in bbdc("backup", "list", "--json").json] == ["complete", "complete"]


def test_an_unlock_that_never_succeeds_is_said_aloud(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlock = vaults.maintenance.unlock

    def refuse(_token: str) -> bool:
        raise Unavailable("DELETE /mvc/maintenance/lock: 503")

    monkeypatch.setattr(vaults.maintenance, "unlock", refuse)
    told = bbdc("backup", "create", "--json")
    assert told.code == ExitCode.STILL_LOCKED
    assert result(told)["outcome"]["ending"] == "locked"
    assert "bbdc recover" in told.err
    assert vaults.locked_by == "backup"
    again = bbdc("backup", "create", "--json")
    assert again.code == ExitCode.STILL_LOCKED, "a new set needs the old lock freed first"
    check(again.events[-1], "error")
    stuck = bbdc("recover", "--json")
    assert (stuck.code, stuck.json["locked_by_us"], stuck.json["exit_code"]) == (10, True, 10)
    check(stuck.json, "recovery")
    monkeypatch.setattr(vaults.maintenance, "unlock", unlock)
    assert bbdc("recover").code == ExitCode.OK
    assert vaults.locked_by is None


def test_a_second_backup_at_the_same_time_is_a_conflict(bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path) -> None:
    held = hold(Store(tmp_path / "state"), "sim", BACKUP)
    try:
        told = bbdc("backup", "create", "--json")
        rolled = bbdc("recover")
        pruned = bbdc("backup", "prune", "--yes")
    finally:
        held.release()
    assert told.code == rolled.code == pruned.code == ExitCode.CONFLICT
    check(told.events[-1], "error")
    assert "a backup holds cluster sim: process" in told.err
    assert "bbdc backup cancel" in told.err
    assert vaults.maintenance.calls.count("lock") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("show", "x"),
        ("verify", "x"),
        ("keep", "x"),
        ("copy", "x", "--region", "eu-west-1"),
        ("export", "x", "--to", "/nowhere"),
    ],
    ids=lambda words: words[0],
)
def test_an_unknown_set_is_not_found(bbdc: Bbdc, vaults: SafeEstate, words: tuple[str, ...]) -> None:
    told = bbdc("backup", *words, "--json")
    assert told.code == ExitCode.NOT_FOUND
    check(told.events[-1], "error")
    assert "bbdc backup list" in told.err


def test_only_complete_sets_are_copied_and_a_failed_copy_is_no_success(bbdc: Bbdc, vaults: SafeEstate) -> None:
    bbdc("backup", "create", "--name", "good")
    wrong = bbdc("backup", "copy", "good", "--region", "eu-west-1", "--key", "key/us-east-1", "--json")
    assert wrong.code == ExitCode.REFUSED
    assert wrong.events[-1]["error"]["name"] == "copy_failed"
    vaults.storage.limits.failing.append(MemberKind.DISK)
    bbdc("backup", "create", "--name", "bad")
    told = bbdc("backup", "copy", "bad", "--region", "eu-west-1", "--json")
    assert told.code == ExitCode.REFUSED
    assert told.events[-1]["error"]["name"] == "set_incomplete"


def test_what_cannot_be_pruned_is_told_and_fails(
    bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = estate_over(vaults, tmp_path / "state", Retention(last=1))
    monkeypatch.setattr(backing, "estate_of", lambda *_, **__: estate)
    bbdc("backup", "create")
    bbdc("backup", "create")

    def refuse(*_: object) -> None:
        raise Forbidden("DeleteSnapshot failed: UnauthorizedOperation", right="ec2:DeleteSnapshot")

    monkeypatch.setattr(type(vaults.safe.disks), "delete", refuse)
    told = bbdc("backup", "prune", "--yes", "--json")
    assert told.code == ExitCode.UNEXPECTED
    check(told.json, "pruning")
    assert "DeleteSnapshot failed" in told.json["removed"]["failures"][0]
    assert "NOT removed" in bbdc("backup", "prune", "--yes").out


def test_when_no_backup_runs_there_is_none_to_cancel(bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path) -> None:
    told = bbdc("backup", "cancel")
    assert told.code == ExitCode.NOT_FOUND
    assert "no backup of cluster sim runs" in told.err
    held = hold(Store(tmp_path / "state"), "sim")  # a roll
    try:
        assert bbdc("backup", "cancel").code == ExitCode.NOT_FOUND
    finally:
        held.release()


def test_cancel_asks_the_process_that_holds_the_cluster(
    bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("automation.backing.os.kill", lambda pid, number: sent.append((pid, number)))
    held = hold(Store(tmp_path / "state"), "sim", BACKUP)
    try:
        told = bbdc("backup", "cancel", "--json")
        assert "asked the backup to stop: process" in bbdc("backup", "cancel").out
        monkeypatch.setattr("automation.backing.socket.gethostname", lambda: "elsewhere")
        other = bbdc("backup", "cancel")
    finally:
        held.release()
    assert (told.json["sent"], told.json["pid"]) == ("TERM", os.getpid())
    assert sent == [(os.getpid(), signal.SIGTERM)] * 2
    assert other.code == ExitCode.REFUSED
    assert f"kill -TERM {os.getpid()}" in other.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotAuthenticated("GET /status failed: 401", hint="check BITBUCKET_PASSWORD"), 5),
        (Forbidden("DescribeVolumes failed", right="ec2:DescribeVolumes"), 5),
        (Unreachable("GET https://bitbucket.example failed: no route"), 6),
        (Throttled("DescribeVolumes failed: Throttling"), 6),
    ],
)
def test_an_estate_that_cannot_be_asked_is_told_with_its_code(
    bbdc: Bbdc, vaults: SafeEstate, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(vaults.safe.disks), "sources", fail)
    monkeypatch.setattr(type(vaults.safe.disks), "snapshots", fail)
    for words in (("backup", "create"), ("backup", "list"), ("recover",)):
        told = bbdc(*words, "--json")
        assert told.code == code
        check(told.events[-1], "error")


@pytest.mark.parametrize(
    "words",
    [("backup", "create", "--name", "<b>"), ("backup", "show"), ("backup", "paint"), ("recover", "--all")],
)
def test_a_wrong_command_line_is_usage(bbdc: Bbdc, vaults: SafeEstate, words: tuple[str, ...]) -> None:
    assert bbdc(*words).code == ExitCode.USAGE
    assert vaults.maintenance.calls.made == []


@pytest.mark.parametrize(
    ("ending", "code"), [(Ending.COMPLETE, 0), (Ending.INVALID, 9), (Ending.PENDING, 130), (Ending.LOCKED, 10)]
)
def test_a_backups_end_has_its_code(ending: Ending, code: int) -> None:
    assert code_of_backup(Outcome(ending)) == code


def test_no_token_is_in_anything_that_a_backup_leaves(
    bbdc: Bbdc, vaults: SafeEstate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITBUCKET_PASSWORD", "s3cret-passw0rd")
    page, file = tmp_path / "page.html", tmp_path / "set.json"
    told = [bbdc("backup", "create", "--json", "--name", "a", "--report", str(page)), bbdc("backup", "create")]
    told += [bbdc("backup", "export", "a", "--to", str(file)), bbdc("backup", "show", "a", "--json"), bbdc("recover")]
    said = "".join(each.out + each.err for each in told) + page.read_text() + file.read_text()
    secrets = [*vaults.logs.tokens, *vaults.maintenance.cancel_tokens, "s3cret-passw0rd"]
    assert len(secrets) > 3
    assert [secret for secret in secrets if secret in said] == []
