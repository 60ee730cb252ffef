"""``bbdc stage``: a copy to rehearse on; every exit code."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from automation.cli.exit_codes import ExitCode
from automation.core.backups.sets import SetState
from lab.sim.restore_stories import SET
from tests.cli.conftest import Bbdc
from tests.cli.schemas import check
from tests.cli.worlds import SOURCE, Worlds, worlds

__all__ = ["worlds"]

STAGE = ("stage", "--from", SET.id, "--stack", "rehearsal")


def test_a_copy_is_built_waited_for_and_made_quiet(bbdc: Bbdc, worlds: Worlds) -> None:
    told = bbdc(*STAGE, "--nodes", "1", "--instance-type", "t3.large", "--yes", "--json")
    assert told.code == ExitCode.OK, told.err
    for event in told.events:
        check(event, "stage_event")
    assert told.events[-1]["stage"] == {
        "stack": "rehearsal",
        "url": "http://rehearsal.example",
        "mail_server_removed": True,
        "webhooks_switched_off": 4,
        "mirrors": ["mirror-1"],
    }
    config = worlds.stacks.there["rehearsal"]
    assert (config["bitbucket-dc:nodes"].value, config["bitbucket-dc:version"].value) == (1, SET.version)
    assert worlds.stacks.ups == ["rehearsal"]
    assert worlds.stacks.there["prod"] == SOURCE


def test_people_see_the_config_without_its_secrets_and_what_was_switched_off(bbdc: Bbdc, worlds: Worlds) -> None:
    out = bbdc(*STAGE, "--yes").out
    assert "bitbucket-dc:license: (secret)" in out
    assert "l1cence" not in out
    assert "mail server removed; 4 webhooks made inactive" in out
    assert "mirror-1: they go on following the source" in out


def test_a_dry_run_makes_nothing_and_asks_nothing(bbdc: Bbdc, worlds: Worlds) -> None:
    told = bbdc(*STAGE, "--dry-run", "--json")
    assert told.code == ExitCode.OK
    check(told.events[0], "stage_event")
    assert "l1cence" not in told.out
    assert (worlds.stacks.ups, set(worlds.stacks.there)) == ([], {"prod"})


def test_a_copy_that_cannot_be_reached_is_not_called_quiet_and_the_same_command_goes_on(
    bbdc: Bbdc, worlds: Worlds
) -> None:
    worlds.outgoing.serves_at = 10_000
    told = bbdc(*STAGE, "--yes")
    assert told.code == ExitCode.UNREACHABLE
    assert "/status says STARTING" in told.err
    assert "NOT switched off yet" in told.err
    assert worlds.outgoing.mail
    worlds.outgoing.serves_at = 0
    told = bbdc(*STAGE, "--url", "http://127.0.0.1:8080", "--yes", "--json")
    assert (told.code, told.events[-1]["stage"]["url"]) == (ExitCode.OK, "http://127.0.0.1:8080")
    assert not worlds.outgoing.mail


@pytest.mark.parametrize(
    ("change", "words", "rule"),
    [
        ({"state": SetState.INVALID}, (), "set_complete"),
        ({"region": "us-east-1"}, (), "same_region"),
        ({"members": SET.members[:1]}, (), "set_whole"),
        ({}, ("--stack", "prod"), "stack_free"),
        ({}, ("--stack", "No/Name"), "stack_name"),
    ],
)
def test_what_no_copy_can_be_built_from_is_refused_by_name(
    bbdc: Bbdc, worlds: Worlds, change: dict[str, object], words: tuple[str, ...], rule: str
) -> None:
    worlds.manifests.write(replace(SET, **change))
    stage = STAGE if not words else (*STAGE[:3], *words)
    told = bbdc(*stage, "--yes")
    assert (told.code, f"refused by {rule}" in told.err) == (ExitCode.REFUSED, True)
    assert worlds.stacks.ups == []


def test_it_asks_and_takes_no_for_an_answer(bbdc: Bbdc, worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bbdc(*STAGE).code == ExitCode.USAGE
    monkeypatch.setattr("automation.cli.commands.stage.refuse_unasked", lambda **_: None)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert bbdc(*STAGE).code == ExitCode.REFUSED
    assert worlds.stacks.ups == []


def test_an_unknown_set_is_not_found(bbdc: Bbdc, worlds: Worlds) -> None:
    assert bbdc("stage", "--from", "unknown", "--stack", "x1", "--dry-run").code == ExitCode.NOT_FOUND
