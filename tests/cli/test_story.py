"""From records to a picture: nothing is lost, nothing is drawn outside, and a page loads nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from automation.adapters.runs.reader import Run, RunId, RunState
from automation.adapters.runs.told import Standing
from automation.cli.drawing import LEFT, RIGHT, WIDTH, draw
from automation.cli.exit_codes import Usage
from automation.cli.page import render
from automation.cli.story import Story, tell
from automation.cli.traffic import Traffic, read_traffic
from automation.core.roll import Ending, NodeLine, Outcome, Phase, Plan, Record
from automation.engine.upgrade import make_plan
from lab.sim.estate import Estate
from lab.sim.rolls import QUICK, Roll


@pytest.fixture(scope="module")
def played() -> tuple[Plan, tuple[Record, ...]]:
    estate = Estate(seed=3)
    plan = make_plan(estate.world, QUICK, cluster="alpha", target="7.9.4", owns_model=True, by="ada")
    return plan, tuple(Roll(estate, estate.world, QUICK, plan).play().records)


@pytest.fixture(scope="module")
def story(played: tuple[Plan, tuple[Record, ...]]) -> Story:
    return tell(played[1])


def traffic(story: Story, failed: int = 0) -> Traffic:
    series = [[story.start - 30 + second, 100, 0, 9.5] for second in range(int(story.end - story.start) + 60)]
    series[100][2] = failed
    failures = [
        {"time": series[100][0], "kind": "page", "what": "GET /<b>", "status": 502, "error": "bad gateway"}
    ] * failed
    total = sum(row[1] for row in series)
    return read_traffic({"requests": total, "failed": failed, "step": 1, "series": series, "failures": failures})


def run_of(plan: Plan, state: RunState = RunState.UPGRADED, outcome: Outcome | None = None) -> Run:
    return Run(RunId("alpha:1"), plan, state, Standing(opened=True, outcome=outcome), plan.started)


def test_every_node_has_a_lane_without_gaps(played: tuple[Plan, tuple[Record, ...]], story: Story) -> None:
    seen = {node.instance for record in played[1] for node in record.nodes}
    assert {lane.instance for lane in story.lanes} == seen
    for lane in story.lanes:
        assert all(before.end == after.start for before, after in zip(lane.spans, lane.spans[1:], strict=False))
        assert all(part.start <= part.end for part in lane.spans)
    assert {lane.spans[-1].version for lane in story.lanes if lane.spans[-1].end == story.end} == {"7.9.4"}


def test_gates_hold_all_the_time_that_was_waited(story: Story) -> None:
    waited = sum(gate.seconds for gate in story.gates)
    assert 0 < waited <= story.end - story.start
    assert {"drained", "joined", "soak"} <= {name for name, _, _ in story.waited()}
    assert story.approved_by == "automatically"


def test_everything_is_drawn_inside_the_picture(story: Story) -> None:
    picture = draw(story, traffic(story, failed=2))
    assert picture.load is not None
    boxes = [box for row in picture.rows for box in row.boxes]
    boxes += [*picture.load.bars, *picture.load.failures]
    for box in boxes:
        assert LEFT - 1.0 <= box.x <= WIDTH - RIGHT
        assert box.x + box.width <= WIDTH - RIGHT + 3.0
        assert 0 <= box.y <= picture.height
        assert box.height >= 0
    assert len(picture.load.failures) == 1
    assert [mark.label for mark in picture.marks] == ["upgrade mode on", "approved"]


class Wellformed(HTMLParser):
    """Counts tags and keeps what points elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_loads_and_runs_nothing(played: tuple[Plan, tuple[Record, ...]]) -> None:
    told = tell(played[1])
    text = render(run_of(played[0]), told, traffic(told))
    page = Wellformed()
    page.feed(text)
    assert page.open == []
    assert page.links == []
    assert "<script" not in text
    assert not re.search(r"url\(|@import|https?://", text)
    assert "0</b><span>failed of" in text


def test_what_servers_said_is_escaped(played: tuple[Plan, tuple[Record, ...]]) -> None:
    plan, records = played
    evil = (*records, replace(records[-1], kind="trouble", name="unexpected", detail="<script>alert(1)</script>"))
    text = render(run_of(replace(plan, by="<i>ada</i>")), tell(evil), traffic(tell(evil), failed=1))
    assert "<script>" not in text
    assert "<i>ada" not in text
    assert "GET /&lt;b&gt;" in text


@pytest.mark.parametrize("state", list(RunState))
def test_a_page_is_made_of_any_run(state: RunState, played: tuple[Plan, tuple[Record, ...]]) -> None:
    outcome = Outcome(Ending.PAUSED, "soak", "too long") if state is RunState.PAUSED else None
    text = render(run_of(played[0], state, outcome), tell(played[1][:7]))
    assert ("Paused: soak. too long" in text) is (state is RunState.PAUSED)
    assert "<svg" in render(run_of(played[0], state), tell(()))


def test_trouble_without_an_observation_leaves_no_gap() -> None:
    node = NodeLine("i-1", "10.0.0.1", "7.9.0", Phase.IN_SERVICE, "ACTIVE")
    records = (
        Record(0.0, "wait", "soak", nodes=(node,)),
        Record(10.0, "trouble", "unreachable"),
        Record(20.0, "wait", "soak", nodes=(node,)),
        Record(30.0, "pause", "unreachable"),
    )
    (lane,) = tell(records).lanes
    assert [(part.start, part.end) for part in lane.spans] == [(0.0, 30.0)]


@pytest.mark.parametrize("shape", [[], {}, {"requests": 1}, {"requests": "x", "failed": 0, "step": 1, "series": []}])
def test_a_traffic_report_of_another_shape_is_refused(shape: object) -> None:
    with pytest.raises(Usage, match=r"lab-traffic\.md"):
        read_traffic(shape)
