from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from automation.cli.board import Board, Heading
from automation.core.roll import NodeLine, Phase, Record
from tests.cli.schemas import check

OLD = NodeLine("i-1", "10.0.0.1", "7.9.0", Phase.LEAVING, "OFFLINE", "a")
NEW = NodeLine("i-2", "10.0.0.2", "7.9.4", Phase.IN_SERVICE, "ACTIVE", "a")
WAIT = Record(1000.0, "wait", "soak", "i-2", "", "MIXED", (OLD, NEW))
HEADING = Heading("alpha", "7.9.0", "7.9.4", 90.0)


class Stopped:
    """A clock that stands."""

    def now(self) -> float:
        return 1030.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def shown(board: Board) -> str:
    console = Console(width=120, color_system=None, file=None, record=True, quiet=False)
    with console.capture() as captured:
        console.print(board.render())
    return captured.get()


def test_a_pipe_gets_one_line_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    with Board(HEADING, clock=Stopped()) as board:
        board.record("alpha:1", WAIT)
        board.note("pulumi: update roll")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "00:16:40  waiting for soak i-2 [MIXED]  (1 leaving, 1 in service)"
    assert second.endswith("pulumi: update roll")
    assert "\x1b" not in first + second


def test_json_gets_one_event_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Board(HEADING, as_json=True, clock=Stopped()) as board:
        board.record("alpha:1", WAIT)
        board.note("pulumi: update roll")
    for line in capsys.readouterr().out.splitlines():
        check(json.loads(line), "event")


def test_the_picture_says_what_is_waited_for_how_long_and_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(HEADING, clock=Stopped())
    assert "waiting for the run to begin" in shown(board)
    board.record("alpha:1", WAIT)
    text = shown(board)
    assert "waiting for soak i-2  30 s" in text
    assert "1 of 1 nodes" in text, "a machine that leaves is none of the cluster's nodes"
    assert "about 1 min 30 s estimated" in text


def test_trouble_keeps_the_nodes_that_were_seen_last(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(HEADING, clock=Stopped())
    board.record("alpha:1", WAIT)
    board.record("alpha:1", replace(WAIT, kind="trouble", name="unreachable", nodes=(), detail="no connection"))
    assert "i-2" in shown(board)
    assert "trouble: unreachable i-2: no connection" in shown(board)
