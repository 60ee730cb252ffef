"""Restores from people's own scripts: what is built from settings, what is held, and what goes on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automation import bootstrap
from automation.adapters.aws.drills import AwsDrills
from automation.adapters.aws.nodes import DISTURBING
from automation.adapters.aws.shell import AwsShell
from automation.adapters.runs.holder import DRILL, RESTORE, holder
from automation.config import Settings
from automation.core.restores.memory import Ending, Memory
from automation.core.roll import Record
from automation.ports.errors import Conflict, NotFound, Refused
from automation.restore_estate import RestoreEstate, estate_of
from automation.restoring import Restores
from lab.sim.restore_stories import SET
from tests.cli.worlds import Worlds, make


@pytest.fixture
def worlds(tmp_path: Path) -> Worlds:
    return make(tmp_path / "state")


@pytest.fixture
def restores(worlds: Worlds) -> Restores:
    return Restores(worlds.estate)


def ending(memory: Memory) -> Ending:
    assert memory.outcome is not None
    return memory.outcome.ending


def test_a_script_restores_a_set_and_goes_back(restores: Restores, worlds: Worlds) -> None:
    planned = restores.prospect("newest", "march")
    assert (planned.refused, planned.plan.previous) == (None, "original")
    assert ending(restores.restore(SET.id, "march")) is Ending.RESTORED
    assert restores.unfinished() is None
    assert ending(restores.undo()) is Ending.RESTORED
    assert ending(restores.use("march")) is Ending.RESTORED
    assert worlds.world.wanted == "march"


def test_the_cluster_is_held_while_it_is_swapped_and_free_afterwards(restores: Restores, worlds: Worlds) -> None:
    seen = set()

    def look(_record: Record, _memory: Memory) -> None:
        who = holder(worlds.estate.store, "sim")
        seen.add((who.pid, who.task) if who else None)

    restores.restore(SET.id, "march", tell=look)
    assert seen == {(os.getpid(), RESTORE)}
    assert holder(worlds.estate.store, "sim") is None


def test_a_drill_leaves_the_cluster_to_backups(restores: Restores, worlds: Worlds) -> None:
    seen: list[Any] = []

    def look(_text: str) -> None:
        who = holder(worlds.estate.store, "sim/drill")
        seen.append((who and who.task, holder(worlds.estate.store, "sim")))

    assert restores.drill(SET.id, sample=3, say=look).was_drilled
    assert set(seen) == {(DRILL, None)}


def test_the_metrics_hear_of_a_drill_and_their_failure_only_warns(worlds: Worlds) -> None:
    heard: list[Any] = []
    warned: list[str] = []

    def broken(_: object) -> None:
        raise OSError("disk full")

    estate = replace(worlds.estate, measures=(broken, heard.append))
    assert Restores(estate, warn=warned.append).drill(SET.id).was_drilled
    assert [each.was_drilled for each in heard[0]] == [True]
    assert warned == ["writing the metrics failed: disk full"]


def test_a_restore_that_died_is_found_by_another_process(worlds: Worlds) -> None:
    def die(record: Record, _memory: Memory) -> None:
        if record.name == "activate":
            raise SystemExit(137)

    with pytest.raises(SystemExit):
        Restores(worlds.estate).restore(SET.id, "march", tell=die)
    other = Restores(worlds.estate)
    left = other.unfinished()
    assert left is not None
    assert left.activated is not None
    with pytest.raises(Refused, match="a swap from original to march is not finished"):
        other.use("april")
    assert ending(other.restore(SET.id, "march")) is Ending.RESTORED


def test_two_restores_at_once_are_one_too_many(restores: Restores, worlds: Worlds) -> None:
    def second(_record: Record, _memory: Memory) -> None:
        with pytest.raises(Conflict, match="a restore holds cluster sim: process"):
            Restores(worlds.estate).use("original")

    restores.restore(SET.id, "march", tell=second)


# --- built from settings ---------------------------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RestoreEstate:
    for name, value in {
        "BBDC_STATE": str(tmp_path / "state"),
        "BBDC_CLUSTER": "alpha",
        "BBDC_PROJECT": str(tmp_path),
        "BITBUCKET_URL": "https://bitbucket.example",
        "BITBUCKET_TOKEN": "t0p-secret",
        "AWS_REGION": "eu-west-1",
        "BBDC_RESTORE__DRILL_SAMPLE": "7",
        "BBDC_RESTORE__STOP_TIMEOUT": "60",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    monkeypatch.chdir(tmp_path)
    return estate_of({})


def test_the_estate_is_built_from_settings_and_asks_nobody(built: RestoreEstate) -> None:
    assert (built.cluster, built.limits.stop_timeout, built.drill.sample) == ("alpha", 60.0, 7)
    assert isinstance(built.ground.drills, AwsDrills)
    assert isinstance(built.ground.shell, AwsShell)
    assert built.ground.drills.calls == 0


def test_the_process_that_makes_machines_is_not_among_those_that_disturb_a_roll(built: RestoreEstate) -> None:
    launch = bootstrap.build_restores(Settings.load()).launch
    assert launch == {"Launch"}
    assert not launch & DISTURBING


@pytest.mark.parametrize("ports", ["restoring", "staging"])
def test_without_a_program_a_restore_says_where_it_looked(built: RestoreEstate, ports: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"no Pulumi program in {tmp_path}") as caught:
        getattr(built, ports)()
    assert "BBDC_PROJECT" in caught.value.hint
