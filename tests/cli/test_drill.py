"""``bbdc drill``: a set in isolation; every exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automation.adapters.runs.holder import DRILL, hold
from automation.cli.exit_codes import ExitCode
from automation.core.backups.sets import Counts, SetState
from lab.sim.restore_stories import SET
from tests.cli.conftest import Bbdc
from tests.cli.schemas import check
from tests.cli.worlds import GOOD, Worlds, worlds

__all__ = ["worlds"]


@pytest.mark.parametrize("word", [SET.id, "--newest"])
def test_a_good_set_passes_and_the_manifest_says_so(bbdc: Bbdc, worlds: Worlds, word: str) -> None:
    told = bbdc("drill", word, "--json")
    assert told.code == ExitCode.OK, told.err
    for event in (told.events[0], told.events[-1]):
        check(event, "drill_event")
    drilled = worlds.manifests.read(SET.id).drilled
    assert drilled.passed
    assert told.events[-1]["drill"]["seconds"] == drilled.seconds == 1.0
    assert worlds.drills.places == {}


def test_people_see_the_checks_and_the_time(bbdc: Bbdc, worlds: Worlds) -> None:
    out = bbdc("drill", SET.id).out
    assert "database creating" in out
    assert "git_fsck" in out
    assert out.endswith(f"set {SET.id} can be restored; disks and database could be used after 1 s\n")


def test_a_set_that_lacks_something_is_invalid(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.shell.answer = GOOD.replace('"missing": []', '"missing": ["7"]')
    told = bbdc("drill", SET.id, "--json")
    assert told.code == ExitCode.INVALID
    failed = [each for each in told.events[-1]["drill"]["findings"] if not each["passed"]]
    assert [(each["name"], each["detail"]) for each in failed] == [("directories", "no directory for 7")]
    assert not worlds.manifests.read(SET.id).was_drilled
    assert "did NOT pass its drill" in bbdc("drill", SET.id).out


@pytest.mark.parametrize(("before", "after", "passed"), [(3, 3, True), (2, 4, True), (4, 9, False), (1, 2, False)])
def test_row_counts_are_those_of_the_backup(
    bbdc: Bbdc,
    worlds: Worlds,
    before: int,
    after: int,
    passed: bool,  # noqa: FBT001 (what is expected)
) -> None:
    worlds.manifests.write(replace(SET, counts=Counts(before, after)))
    findings = bbdc("drill", SET.id, "--json").events[-1]["drill"]["findings"]
    assert {each["name"]: each["passed"] for each in findings}["row_counts"] is passed


@pytest.mark.parametrize("answer", ["", "no JSON\n", "[]\n", '{"rows": 1}\n', GOOD.replace("9", '"x"')])
def test_checks_that_answer_rubbish_call_the_set_neither_good_nor_bad(bbdc: Bbdc, worlds: Worlds, answer: str) -> None:
    worlds.shell.answer = answer
    told = bbdc("drill", SET.id)
    assert (told.code, "the checks did not answer as they should" in told.err) == (ExitCode.UNEXPECTED, True)
    assert worlds.manifests.read(SET.id).drilled is None
    assert worlds.drills.places == {}


def test_a_place_that_never_comes_is_removed(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.drills.problem = "the restored database is failed"
    told = bbdc("drill", SET.id)
    assert (told.code, "the restored database is failed" in told.err) == (ExitCode.UNEXPECTED, True)
    assert worlds.drills.places == {}


def test_what_died_is_cleaned_up(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.drills.places = {"one": 0, "two": 0}
    told = bbdc("drill", "--clean", "--json")
    assert (told.code, told.json) == (ExitCode.OK, {"removed": ["one", "two"]})
    check(told.json, "drill_cleaning")
    assert bbdc("drill", "--clean").out == "no drill has left anything\n"


@pytest.mark.parametrize(
    "words", [(), (SET.id, "--newest"), ("--newest", "--clean"), (SET.id, "--sample", "0"), (SET.id, "--sample", "-1")]
)
def test_words_that_make_no_sense_are_refused(bbdc: Bbdc, worlds: Worlds, words: tuple[str, ...]) -> None:
    assert bbdc("drill", *words).code == ExitCode.USAGE


def test_a_set_that_is_not_complete_is_refused(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.manifests.write(replace(SET, state=SetState.INVALID))
    assert bbdc("drill", SET.id).code == ExitCode.REFUSED
    assert bbdc("drill", "--newest").code == ExitCode.NOT_FOUND
    assert bbdc("drill", "unknown").code == ExitCode.NOT_FOUND


def test_one_drill_at_a_time(bbdc: Bbdc, worlds: Worlds) -> None:
    held = hold(worlds.estate.store, "sim/drill", DRILL)
    told = bbdc("drill", SET.id)
    cleaning = bbdc("drill", "--clean")
    held.release()
    assert (told.code, cleaning.code) == (ExitCode.CONFLICT, ExitCode.CONFLICT)
    assert "a drill holds cluster sim/drill" in told.err
