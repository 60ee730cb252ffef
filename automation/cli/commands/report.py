"""``bbdc report``: the story of a run, in words, as JSON, or as one HTML page."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from automation.adapters.runs.reader import Run
from automation.cli import context, shapes
from automation.cli.commands.options import Json
from automation.cli.exit_codes import Usage
from automation.cli.output import clock_time, emit, say, span
from automation.cli.page import render
from automation.cli.story import Story, tell
from automation.cli.traffic import Traffic, read_traffic
from automation.core.roll import Record
from automation.ports.errors import NotFound

Id = Annotated[str | None, Parameter(help="The run; the cluster's newest when left out.")]
Html = Annotated[Path | None, Parameter(name="--html", help="Write one self-contained HTML page to this file.")]
Load = Annotated[
    Path | None,
    Parameter(name="--traffic", help="Traffic report to draw under the nodes (docs/reference/lab-traffic.md)."),
]


def report(run: Id = None, *, html: Html = None, traffic: Load = None, json: Json = False) -> int:
    """Tell the story of a run: what was done and waited for, when, by whom. Changes nothing."""
    found, records = _read(run)
    load = None if traffic is None else _load(traffic)
    if html is not None:
        html.write_text(render(found, tell(records), load), encoding="utf-8")
    if json:
        emit({"run": shapes.of_run(found), "records": [shapes.of_record(record) for record in records]})
    else:
        _words(found, tell(records), html)
    return 0


def write_page(run: str, path: Path, traffic: Traffic | None = None) -> None:
    """Write the HTML page of a run."""
    found, records = _read(run)
    path.write_text(render(found, tell(records), traffic), encoding="utf-8")


def _read(run: str | None) -> tuple[Run, tuple[Record, ...]]:
    with context.reader() as reader:
        found = reader.get(run) if run else context.newest(reader, context.settings().cluster_name)
        return found, reader.records(found.id)


def _load(path: Path) -> Traffic:
    try:
        shape: Any = json_module.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"reading the traffic report failed: there is no file {path}") from error
    except ValueError as error:
        raise Usage(f"reading the traffic report {path} failed: it is no JSON") from error
    return read_traffic(shape)


def _words(run: Run, story: Story, page: Path | None) -> None:
    say(f"run {run.id}: {run.plan.original} -> {run.plan.target}, {run.state}, by {run.plan.by or '-'}")
    if story.records:
        say(f"from {shapes.moment(story.start)} to {shapes.moment(story.end)}: {span(story.end - story.start)}")
    for event in story.events:
        say(f"  {clock_time(event.at)}  {event.text}")
    if page is not None:
        say(f"page written to {page}")
