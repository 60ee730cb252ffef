"""``bbdc status``: the cluster as it stands, its nodes, and the newest run."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from automation.adapters.runs.reader import Run, RunReader
from automation.cli import context, shapes
from automation.cli.board import Board, Heading, follow
from automation.cli.commands.options import Json
from automation.cli.output import console, emit, say, table
from automation.engine import status as engine
from automation.rolling import Estate

Follow = Annotated[bool, Parameter(name=("--follow", "-f"), negative=(), help="Stay and show the run as it goes on.")]


def status(*, follow_run: Follow = False, json: Json = False) -> int:
    """Show the cluster, its nodes and the newest run. Changes nothing."""
    estate = context.estate()
    with RunReader(estate.store) as reader:
        seen, run = engine.status(estate.world, estate.cluster), reader.latest(estate.cluster)
        if json:
            emit(shapes.of_status(seen, run))
        else:
            show(seen, run)
        if follow_run and run is not None and run.state.is_open:
            _follow(estate, reader, run, as_json=json)
    return 0


def _follow(estate: Estate, reader: RunReader, run: Run, *, as_json: bool) -> None:
    with Board(Heading(estate.cluster, run.plan.original, run.plan.target), as_json=as_json) as board:
        follow(reader, run.id, board, estate.world.clock)


def show(seen: engine.Status, run: Run | None) -> None:
    """Tell the status in words."""
    mode = f"upgrade mode on, opened at {seen.original_version}" if seen.upgrade_mode else "upgrade mode off"
    say(f"{seen.cluster}: {seen.state}, {mode}")
    say(f"group {seen.group}: {seen.desired} wanted ({seen.minimum}-{seen.maximum}), model {seen.model_version or '-'}")
    if seen.suspended:
        say(f"scaling processes switched off: {', '.join(seen.suspended)}")
    rows = [
        (n.instance, n.address or "-", n.zone or "-", n.version or "-", n.phase, n.state or "-") for n in seen.nodes
    ]
    console().print(table(("INSTANCE", "ADDRESS", "ZONE", "VERSION", "PHASE", "STATE"), rows))
    if seen.ghosts:
        say(f"listed by Bitbucket, but no machine of the group: {', '.join(seen.ghosts)}")
    if run is not None:
        say(describe(run))


def describe(run: Run) -> str:
    """Say in one line where a run stands."""
    text = f"run {run.id} ({run.plan.original} -> {run.plan.target}): {run.state}"
    if run.outcome is not None and run.outcome.reason:
        text += f": {run.outcome.reason}: {run.outcome.detail}"
    if run.state.is_open:
        text += (
            f"; driven by {run.holder}" if run.holder else "; no process drives it: the next upgrade goes on with it"
        )
    return text
