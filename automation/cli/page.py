"""The report as one HTML page: no script, nothing loaded from elsewhere, light and dark, fit to print."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from automation.adapters.runs.reader import Run, RunState
from automation.cli.drawing import draw, style_of
from automation.cli.output import clock_time, span
from automation.cli.shapes import moment
from automation.cli.story import Story
from automation.cli.traffic import Traffic
from automation.cli.trouble import redactor
from automation.core.roll import Phase


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top of the page."""

    figure: str
    caption: str
    style: str = ""


def render(run: Run, story: Story, traffic: Traffic | None = None) -> str:
    """Return the page of a run.

    Args:
        run: whose page it is.
        story: what its records tell.
        traffic: the load during the run, where somebody measured it.
    """
    environment = Environment(
        loader=PackageLoader("automation.cli"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"clock": clock_time, "span": span, "moment": moment}
    text = environment.get_template("report.html.j2").render(
        run=run,
        story=story,
        traffic=traffic,
        picture=draw(story, traffic),
        tiles=_tiles(run, story, traffic),
        phases=[(style_of(phase), phase.value) for phase in _phases(story)],
        verdict=_verdict(run),
        is_good=run.state in {RunState.UPGRADED, RunState.ROLLED_BACK},
    )
    return redactor().text(text)


def _phases(story: Story) -> list[Phase]:
    seen = {part.phase for lane in story.lanes for part in lane.spans}
    return [phase for phase in Phase if phase in seen]


def _verdict(run: Run) -> str:
    words = {
        RunState.UPGRADED: f"Every node runs {run.plan.target}.",
        RunState.ROLLED_BACK: f"Every node is back on {run.plan.target}.",
        RunState.SUPERSEDED: "Another plan took over.",
        RunState.FAILED: f"The program failed: {run.problem}",
        RunState.RUNNING: "Under way.",
        RunState.INTERRUPTED: "Interrupted; the next upgrade goes on from here.",
    }
    if run.outcome is not None and run.outcome.reason:
        return f"Paused: {run.outcome.reason}. {run.outcome.detail}"
    return words.get(run.state, str(run.state))


def _tiles(run: Run, story: Story, traffic: Traffic | None) -> list[Tile]:
    tiles = [Tile(span(story.end - story.start), "from first to last act")]
    if traffic is not None:
        style = "good" if traffic.failed == 0 else "bad"
        tiles.append(Tile(f"{traffic.failed:,}", f"failed of {traffic.requests:,} requests", style))
        if traffic.pushes_verified is not None:
            there = traffic.pushes_verified == traffic.pushes_acknowledged
            caption = f"of {traffic.pushes_acknowledged:,} acknowledged pushes are there"
            tiles.append(Tile(f"{traffic.pushes_verified:,}", caption, "good" if there else "bad"))
    replaced = [lane for lane in story.lanes if lane.spans and lane.spans[0].start > story.start]
    tiles.append(Tile(str(len(replaced)), f"new machines for {run.plan.planned} nodes"))
    tiles.append(_approval(story))
    return tiles


def _approval(story: Story) -> Tile:
    if story.approved_by == "automatically":
        return Tile("automatic", "approval, once every gate was open")
    return Tile(story.approved_by or "none", "approved by" if story.approved_by else "approval")
