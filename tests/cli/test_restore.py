"""``bbdc restore``: plan, question, swap, way back; every exit code."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from automation.adapters.runs.holder import BACKUP, hold
from automation.cli.exit_codes import ExitCode
from automation.core.backups.sets import SetState
from automation.restoring import Restores
from lab.sim.restore_stories import SET
from lab.sim.restores import LAUNCH
from tests.cli.conftest import Bbdc, Told
from tests.cli.schemas import check
from tests.cli.worlds import Held, Worlds, worlds

__all__ = ["worlds"]


def events(told: Told) -> list[dict[str, object]]:
    for event in {(event["event"], event.get("phase")): event for event in told.events}.values():  # one of each kind
        check(event, "restore_event")
    return told.events


def test_a_set_is_restored_and_every_step_told(bbdc: Bbdc, worlds: Worlds) -> None:
    told = bbdc("restore", SET.id, "--to", "march", "--yes", "--json")
    assert told.code == ExitCode.OK, told.err
    seen = events(told)
    assert (seen[0]["event"], seen[-1]["event"]) == ("plan", "result")
    assert {event["phase"] for event in seen if event["event"] == "restore"} == {
        "beside",
        "stopping",
        "swapping",
        "starting",
        "over",
    }
    assert seen[-1]["outcome"] == {"ending": "restored", "reason": "", "detail": ""}
    assert worlds.world.wanted == "march"


def test_people_see_the_plan_with_its_lockout_and_way_back_first(bbdc: Bbdc, worlds: Worlds) -> None:
    out = bbdc("restore", "newest", "--to", "march", "--yes").out
    plan, _, story = out.partition("data made beside the old: march")
    for words in (
        f"Restore set {SET.id} to march",
        "home from snap-1, database from db-snap-1",
        "original is put aside and kept as it is",
        "locked out: everybody",
        "way back: `bbdc restore --undo` uses original again",
        "set_complete",
        "commandable",
    ):
        assert words in plan
    assert "Bitbucket stopped: i-0001" in story
    assert out.endswith("march: restored\n")


def test_undo_brings_the_old_data_back_and_can_be_undone(bbdc: Bbdc, worlds: Worlds) -> None:
    bbdc("restore", SET.id, "--to", "march", "--yes")
    told = bbdc("restore", "--undo", "--yes", "--json")
    assert told.code == ExitCode.OK, told.err
    assert events(told)[0]["plan"]["undo"] is True
    assert worlds.world.wanted == "original"
    assert bbdc("restore", "--undo", "--yes").code == ExitCode.OK
    assert worlds.world.wanted == "march"


def test_prepared_data_is_swapped_in_another_day(bbdc: Bbdc, worlds: Worlds) -> None:
    told = bbdc("restore", SET.id, "--to", "march", "--prepare", "--yes")
    assert told.out.endswith("march: prepared beside the data in use\n")
    assert "nobody is locked out: original stays in use" in told.out
    assert worlds.world.wanted == "original"
    assert bbdc("restore", "--to", "march", "--yes").code == ExitCode.OK
    assert worlds.world.wanted == "march"


def test_a_paused_restore_names_its_reason_and_goes_on_with_the_same_command(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.world.broken_starts = 1
    told = bbdc("restore", SET.id, "--to", "march", "--yes", "--json")
    assert told.code == ExitCode.PAUSED
    *_, result, error = told.events
    check(result, "restore_event")
    assert result["outcome"]["reason"] == error["error"]["name"] == "node_not_serving"
    assert "march is in use, and not every node is back" in error["error"]["hint"]
    worlds.world.terminate(worlds.world.machines["i-0004"])
    told = bbdc("restore", SET.id, "--to", "march", "--yes")
    assert told.code == ExitCode.OK
    assert "(goes on with what was begun)" in told.out


def test_a_restore_that_paused_before_the_swap_is_called_off(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.world.hanging_stops = 1
    told = bbdc("restore", SET.id, "--to", "march", "--yes")
    assert told.code == ExitCode.PAUSED
    assert "users work on undisturbed" in told.err
    told = bbdc("restore", "--undo", "--yes")
    assert told.code == ExitCode.OK
    assert "Call off the restore to march: nothing was swapped" in told.out
    assert told.out.endswith("called off; the former data is in use\n")


def test_somebody_elses_update_pauses_the_restore(bbdc: Bbdc, worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    held = replace(worlds.at, program=Held(worlds.at.program))
    monkeypatch.setattr(Restores, "_at", held)
    told = bbdc("restore", SET.id, "--to", "march", "--yes")
    assert told.code == ExitCode.PAUSED
    assert "conflict" in told.err
    assert "Bitbucket is stopped on i-0001, i-0002, i-0003" in told.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "bbdc restore SET --to NAME"),
        (("--prepare", "--to", "march"), "bbdc backup list"),
        (("--undo", "--to", "march"), "brings the former data back"),
        ((SET.id, "--undo"), "brings the former data back"),
        ((SET.id,), "bbdc restore SET --to NAME"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    bbdc: Bbdc, worlds: Worlds, words: tuple[str, ...], hint: str
) -> None:
    told = bbdc("restore", *words, "--yes")
    assert (told.code, hint in told.err) == (ExitCode.USAGE, True)


def test_without_a_terminal_and_without_yes_nothing_is_even_read(bbdc: Bbdc, worlds: Worlds) -> None:
    told = bbdc("restore", SET.id, "--to", "march")
    assert (told.code, told.out) == (ExitCode.USAGE, "")
    assert worlds.world.declared == {}


@pytest.mark.parametrize(("answer", "code"), [("y\n", ExitCode.OK), ("n\n", ExitCode.REFUSED), ("", ExitCode.REFUSED)])
def test_the_question_is_asked(
    bbdc: Bbdc, worlds: Worlds, monkeypatch: pytest.MonkeyPatch, answer: str, code: ExitCode
) -> None:
    monkeypatch.setattr("automation.cli.commands.restore.refuse_unasked", lambda **_: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    told = bbdc("restore", SET.id, "--to", "march")
    assert told.code == code
    assert "Lock everybody out and swap now? [y/N]" in told.out
    assert (worlds.world.wanted == "march") == (code == ExitCode.OK)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"state": SetState.INVALID}, "set_complete"),
        ({"region": "us-east-1"}, "same_region"),
        ({"version": "8.0.0"}, "version_fits"),
        ({"cluster": "another"}, "same_cluster"),
    ],
)
def test_a_set_that_must_not_be_restored_is_refused_by_name(
    bbdc: Bbdc, worlds: Worlds, change: dict[str, object], name: str
) -> None:
    worlds.manifests.write(replace(SET, **change))
    told = bbdc("restore", SET.id, "--to", "march", "--yes", "--json")
    assert told.code == ExitCode.REFUSED
    assert told.events[-1]["error"]["name"] == name
    assert worlds.world.declared == {}


def test_a_name_that_is_taken_and_one_that_is_none_are_refused(bbdc: Bbdc, worlds: Worlds) -> None:
    assert "refused by target_free" in bbdc("restore", SET.id, "--to", "original", "--yes").err.replace(
        "target_name", "target_free"
    )
    assert "refused by target_name" in bbdc("restore", SET.id, "--to", "Not/Good", "--yes").err
    assert "refused by target_there" in bbdc("restore", "--to", "april", "--yes").err
    assert "refused by target_not_active" in bbdc("restore", "--to", "original", "--yes").err


def test_a_group_that_makes_no_machines_is_refused(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.world.suspended |= LAUNCH
    told = bbdc("restore", SET.id, "--to", "march", "--yes")
    assert (told.code, "machines_can_launch" in told.err) == (ExitCode.REFUSED, True)


def test_unknown_sets_and_a_way_back_from_nowhere_are_not_found(bbdc: Bbdc, worlds: Worlds) -> None:
    assert bbdc("restore", "20200101-000000-000", "--to", "march", "--yes").code == ExitCode.NOT_FOUND
    told = bbdc("restore", "--undo", "--yes")
    assert (told.code, "--to original" in told.err) == (ExitCode.NOT_FOUND, True)


def test_another_restore_under_way_is_refused(bbdc: Bbdc, worlds: Worlds) -> None:
    worlds.world.broken_starts = 1
    bbdc("restore", SET.id, "--to", "march", "--yes")
    told = bbdc("restore", SET.id, "--to", "april", "--yes")
    assert (told.code, "a swap from original to march is not finished" in told.err) == (ExitCode.REFUSED, True)


def test_a_cluster_that_another_process_holds_is_left_alone(bbdc: Bbdc, worlds: Worlds) -> None:
    held = hold(worlds.estate.store, "sim", BACKUP)
    told = bbdc("restore", SET.id, "--to", "march", "--yes")
    held.release()
    assert (told.code, "a backup holds cluster sim" in told.err) == (ExitCode.CONFLICT, True)
    assert worlds.world.declared == {}


def test_an_interrupt_says_how_to_go_on(bbdc: Bbdc, worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(worlds.at.program, "activate", interrupted)
    told = bbdc("restore", SET.id, "--to", "march", "--yes")
    assert (told.code, "the same command goes on from where it is" in told.err) == (ExitCode.INTERRUPTED, True)
    monkeypatch.undo()


def test_help_tells_the_words(bbdc: Bbdc) -> None:
    told = bbdc("restore", "--help")
    assert all(word in told.out for word in ("--to", "--prepare", "--undo", "--yes"))
