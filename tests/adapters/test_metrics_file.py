"""Metrics: what they say, that Prometheus reads them, and that no collector sees half a file."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from automation.adapters.metrics_file import METRICS, PREFIX, render, write
from automation.core.backups.sets import BackupSet, Examination, LockTimes, Member, MemberKind, Mode, SetState

LINE = re.compile(r'(?P<name>[a-z_]+)\{cluster="(?P<cluster>[^"]*)",mode="(?P<mode>[a-z-]+)"\} (?P<value>[0-9.e+]+)')
T = 1_700_000_000.0


def a_set(number: int, state: SetState = SetState.COMPLETE, **more) -> BackupSet:
    members = tuple(Member(MemberKind.DISK, f"vol-{n}", f"snap-{n}", at=T + n / 4, size=2**30) for n in range(2))
    lock = LockTimes(asked=T, held=T + 1, drained=T + 3, released=T + 3.5)
    base = BackupSet(f"set-{number}", "git", Mode.LOCKED, state, T + number, members=members, lock=lock)
    return replace(base, **more)


def read(text: str) -> dict[tuple[str, str], float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            found[match["name"].removeprefix(PREFIX), match["mode"]] = float(match["value"])
    return found


def test_the_newest_complete_set_counts():
    found = read(render([a_set(1), a_set(2), a_set(3, SetState.INVALID), a_set(4, SetState.PENDING)]))
    assert found == {
        ("last_attempt_timestamp_seconds", "locked"): T + 4,
        ("last_result", "locked"): 0.0,
        ("last_success_timestamp_seconds", "locked"): T + 2,
        ("lock_seconds", "locked"): 3.5,
        ("lock_beyond_drain_seconds", "locked"): 0.5,
        ("skew_seconds", "locked"): 0.25,
        ("size_bytes", "locked"): 2.0**31,
        ("members", "locked"): 2.0,
    }


def test_a_newer_success_ends_a_failure():
    assert read(render([a_set(1, SetState.INVALID), a_set(2)]))["last_result", "locked"] == 1.0


def test_modes_are_told_apart_and_without_a_lock_there_are_no_lock_seconds():
    found = read(render([a_set(1), a_set(2, mode=Mode.ZERO_DOWNTIME, lock=None)]))
    assert found["last_success_timestamp_seconds", "locked"] == T + 1
    assert found["last_success_timestamp_seconds", "zero-downtime"] == T + 2
    assert ("lock_seconds", "zero-downtime") not in found


def test_the_last_drill_counts_whichever_set_it_was_of():
    early, late = Examination(T + 50, False, (), 10.0), Examination(T + 90, True, (), 20.0)
    found = read(render([a_set(1, drilled=late), a_set(2, drilled=early)]))
    assert found["last_drill_timestamp_seconds", "locked"] == T + 90
    assert (found["drill_seconds", "locked"], found["drill_passed", "locked"]) == (20.0, 1.0)


def test_nothing_is_said_of_nothing():
    assert render([]) == ""


def test_every_metric_has_its_help_once_and_stands_in_the_reference():
    text = render([a_set(1, drilled=Examination(T, True, (), 1.0))])
    page = (Path(__file__).parents[2] / "docs/reference/backup-metrics.md").read_text()
    for metric in METRICS:
        assert text.count(f"# HELP {PREFIX}{metric.name} ") == 1
        assert text.count(f"# TYPE {PREFIX}{metric.name} gauge") == 1
        assert f"`{PREFIX}{metric.name}`" in page


def test_names_are_escaped():
    assert 'cluster="a\\"b"' in render([a_set(1, cluster='a"b')])


def test_the_file_is_replaced_whole_and_open_to_readers(tmp_path):
    path = tmp_path / "bbdc.prom"
    path.write_text("old")
    path.chmod(0o600)
    write(path, render([a_set(1)]))
    assert path.read_text() == render([a_set(1)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["bbdc.prom"]


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "bbdc.prom"
    path.mkdir()  # cannot be replaced by a file
    with pytest.raises(OSError, match="directory"):
        write(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["bbdc.prom"]
