"""``bbdc runs``: all runs that are stored here."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from automation.cli import context, shapes
from automation.cli.commands.options import Json
from automation.cli.output import console, emit, say, table

Cluster = Annotated[str | None, Parameter(help="Only this cluster's.")]


def runs(*, cluster: Cluster = None, json: Json = False) -> int:
    """List all runs, oldest first. Changes nothing and asks nobody outside."""
    with context.reader() as reader:
        found = reader.runs(cluster)
    if json:
        emit([shapes.of_run(run) for run in found])
    elif not found:
        say("no runs yet")
    else:
        rows = [
            (r.id, f"{r.plan.original} -> {r.plan.target}", r.state, shapes.moment(r.plan.started), r.plan.by)
            for r in found
        ]
        console().print(table(("RUN", "VERSIONS", "STATE", "STARTED", "BY"), rows))
    return 0
