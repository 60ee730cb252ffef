"""What the board and the page of a backup show."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from automation.adapters.aws import by_hand
from automation.cli.backup_board import BackupBoard
from automation.cli.backup_page import render
from automation.cli.backup_show import size
from automation.cli.backup_words import ACTS, ENDINGS, GATES, PHASES, describe, phase
from automation.core.backups.memory import ActName, Ending, Memory, Outcome
from automation.core.backups.sets import BackupSet, Examination, Finding, LockTimes, Member, MemberKind, Mode, SetState
from automation.core.roll import Record

ROOT = Path(__file__).parents[2]
DISK = Member(MemberKind.DISK, "vol-1", "snap-1", "shared-home", 1003.1, 1003.0, 1003.2, 2**30, "eu-west-1a", "key/1")
DATABASE = Member(MemberKind.DATABASE, "db", "bbdc-set", "database", 1003.3, 1003.0, 1003.4, 2**31, "", "key/1")
SET = BackupSet(
    "19700101-001640-000",
    "alpha",
    Mode.LOCKED,
    SetState.PENDING,
    1000.0,
    version="7.9.4",
    region="eu-west-1",
    account="123456789012",
    members=(DISK, replace(DATABASE, completed=1060.0)),
    expected=("vol-1", "db"),
    lock=LockTimes(1001.0, 1001.5, 1003.0, 1003.6),
)
MEMORY = Memory(SET, asked=1001.0, unlock_token="unlock", cancel_token="cancel", written=SetState.PENDING)
LOCKED = replace(MEMORY, backup=replace(SET, members=(), lock=None))
DRAINED = replace(LOCKED, drained=1003.0, begun=True, percents={"snap-1": 40}, backup=replace(SET, lock=None))
FREE = replace(MEMORY, drained=1003.0, begun=True, fixed=True, finished=True, free=True, percents={"snap-1": 40})


class Stopped:
    """A clock that stands."""

    def now(self) -> float:
        return 1003.5

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def shown(memory: Memory, record: Record) -> str:
    board = BackupBoard("alpha", Stopped())
    console = Console(width=140, color_system=None)
    with console.capture() as captured:
        console.print(board.render())
        board._shown = (record, memory)  # as a terminal has it: `tell` would also write the line of a pipe
        console.print(board.render())
    return captured.get()


def test_the_board_says_for_how_long_users_have_waited() -> None:
    text = shown(LOCKED, Record(1002.0, "wait", "drained", SET.id))
    assert "looking at everything" in text
    assert "users locked out for 2.5 s, draining" in text
    assert "waiting for running pushes, clones and transactions to end" in text
    text = shown(DRAINED, Record(1003.5, "wait", "instants_fixed", SET.id))
    assert "drained for 0.5 s" in text


def test_the_board_shows_every_member_and_how_far_it_is() -> None:
    text = shown(FREE, Record(1003.5, "wait", "members_completed", SET.id, "1 of 2 members completed, 70 %"))
    assert "users were locked out for 2.6 s" in text
    assert re.search(r"shared-home +vol-1 +snap-1 .* 40 %", text)
    assert re.search(r"database +db +bbdc-set .* 100 % in 57 s", text)
    assert "completing" in text


def test_without_the_lock_the_board_says_so() -> None:
    memory = replace(FREE, asked=None, backup=replace(SET, mode=Mode.ZERO_DOWNTIME, lock=None))
    assert "nobody is locked out" in shown(memory, Record(1003.5, "act", "begin_members", SET.id))


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (replace(LOCKED, asked=None, unlock_token=""), "preparing"),
        (replace(LOCKED, unlock_token=""), "locking"),
        (LOCKED, "draining"),
        (replace(LOCKED, drained=1003.0), "beginning"),
        (DRAINED, "fixing"),
        (replace(DRAINED, fixed=True), "unlocking"),
        (FREE, "completing"),
        (replace(FREE, labelled=SetState.COMPLETE, backup=replace(SET, members=())), "promoting"),
        (replace(LOCKED, stopping="lock_budget"), "giving up"),
        (replace(FREE, outcome=Outcome(Ending.COMPLETE)), "over"),
    ],
)
def test_every_phase_has_its_moment(memory: Memory, expected: str) -> None:
    assert phase(memory) == expected
    assert expected in PHASES


def test_every_act_gate_and_end_has_words() -> None:
    assert set(ACTS) == set(ActName)
    assert set(ENDINGS) == set(Ending)
    decided = (ROOT / "automation/core/backups/decide.py").read_text()
    assert set(GATES) == set(re.findall(r'Wait\("(\w+)"', decided))
    for kind, names in (("act", ACTS), ("wait", GATES), ("finish", ENDINGS)):
        for name, words in names.items():
            assert words in describe(Record(0.0, kind, str(name)))
    assert describe(Record(0.0, "trouble", "unavailable", "", "503")) == "trouble: unavailable: 503"


def test_the_page_escapes_what_people_call_their_sets() -> None:
    examined = Examination(1100.0, passed=False, findings=(Finding("fsck", passed=False, detail="<b>broken</b>"),))
    page = render(replace(SET, name="<script>", drilled=examined, ended=1061.0))
    assert "<script>" not in page
    assert "&lt;b&gt;broken" in page
    assert "src=" not in page
    assert "http" not in page
    assert page.count("<svg") == 2
    assert "Pending: nothing may rely on it yet." in page


def test_a_set_that_began_nothing_has_a_page_too() -> None:
    page = render(replace(SET, members=(), lock=None, state=SetState.INVALID, reason="lock_lost", detail="by alice"))
    assert "<svg" not in page
    assert "Invalid, never to be restored: lock_lost. by alice" in page


def test_a_restore_by_hand_takes_commands_a_shell_understands() -> None:
    found = replace(SET, members=(replace(DISK, facts={"device": "/dev/sdf", "type": "gp3", "iops": "3000"}), DATABASE))
    commands = [step.command for step in by_hand.steps(found)]
    assert any(
        "--snapshot-id snap-1 --availability-zone eu-west-1a --volume-type gp3 --iops 3000" in c for c in commands
    )
    assert any("--device /dev/sdf --region eu-west-1" in c for c in commands)
    assert by_hand.arn(found, DISK) == "arn:aws:ec2:eu-west-1::snapshot/snap-1"
    assert by_hand.arn(found, DATABASE) == "arn:aws:rds:eu-west-1:123456789012:snapshot:bbdc-set"
    aurora = replace(DATABASE, facts={"family": "cluster", "engine": "aurora-postgresql"})
    clustered = replace(found, members=(aurora,))
    assert any("restore-db-cluster-from-snapshot" in step.command for step in by_hand.steps(clustered))
    late = by_hand.steps(replace(clustered, recover_to=1003.1))
    assert any("--restore-to-time 1970-01-01T00:16:43.100Z" in step.command for step in late)
    assert by_hand.arn(found, aurora).endswith(":cluster-snapshot:bbdc-set")
    to_a_second = [step.command for step in by_hand.steps(replace(found, recover_to=1003.1, lock=None))]
    assert any("--restore-time 1970-01-01T00:16:43.100Z" in command for command in to_a_second)
    assert any("disaster.recovery=true" in step.what for step in by_hand.steps(replace(found, lock=None)))


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (2**30, "1 GiB"), (1536, "1.5 KiB"), (2**45, "32 TiB")])
def test_sizes_as_people_say_them(count: int, text: str) -> None:
    assert size(count) == text
