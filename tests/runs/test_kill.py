"""A process that drives a run is killed at any line; the next one goes on, and memory never goes back."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automation.adapters.runs.reader import RunReader, RunState
from automation.adapters.runs.store import Store
from tests.runs.scripted import Scripted

pytestmark = pytest.mark.lab
LENGTH = 40


def start(tmp_path: Path, target: str = "7.9.4", length: int = LENGTH, url: str = "") -> subprocess.Popen[str]:
    arguments = [str(tmp_path / "state"), str(tmp_path / "journal"), str(length), target, url]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.runs.worker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when(process: subprocess.Popen[str], engine: Scripted, lines: int, delay: float) -> None:
    """Kill -9 ``delay`` seconds after the journal has grown to ``lines`` lines."""
    while len(engine.lines()) < lines and process.poll() is None:
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.communicate()


def test_killed_again_and_again_a_run_goes_on_from_its_last_memory(tmp_path: Path) -> None:
    chance = random.Random(7)
    engine = Scripted(tmp_path / "journal")
    for kill in range(1, 5):
        kill_when(start(tmp_path), engine, lines=kill * 7, delay=chance.random() * 0.1)
    out, err = start(tmp_path).communicate(timeout=60)
    assert out.split() == ["alpha:1", "upgraded"], err
    numbers = [line["number"] for line in engine.lines()]
    assert sorted(set(numbers)) == list(range(LENGTH + 1)), "no pass was left out"
    assert all(after - before in (0, 1) for before, after in itertools.pairwise(numbers)), "memory never went back"
    again = [before for before, after in itertools.pairwise(numbers) if before == after]
    assert len(again) <= 4, "at most the pass in flight at each kill was carried out again"
    with RunReader(Store(tmp_path / "state")) as reader:
        assert reader.get("alpha:1").state is RunState.UPGRADED
        assert [record.subject for record in reader.records("alpha:1")] == [str(n) for n in range(LENGTH + 1)]


def test_a_killed_run_of_another_target_does_nothing_more_when_a_rollback_takes_over(tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal")
    kill_when(start(tmp_path), engine, lines=10, delay=0.01)
    forward = len(engine.lines())
    out, err = start(tmp_path, target="7.9.0").communicate(timeout=60)
    assert out.split() == ["alpha:2", "rolled", "back"], err
    assert [line["target"] for line in engine.lines()[forward:]] == ["7.9.0"] * (LENGTH + 1)


def test_a_second_process_waits_its_turn_while_the_first_lives(tmp_path: Path) -> None:
    engine = Scripted(tmp_path / "journal")
    first = start(tmp_path, length=100_000)
    while not engine.lines():
        time.sleep(0.01)
    _, refused = start(tmp_path).communicate(timeout=60)
    assert "another run holds cluster alpha" in refused
    assert f"process {first.pid} on" in refused
    first.kill()
    first.communicate()
    with RunReader(Store(tmp_path / "state")) as reader:
        assert reader.get("alpha:1").state is RunState.INTERRUPTED
