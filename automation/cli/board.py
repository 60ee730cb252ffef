"""The board: what a roll is doing, live on a terminal, line by line in a pipe, event by event as JSON."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automation.adapters.clock import SystemClock
from automation.adapters.runs.reader import RunReader
from automation.adapters.runs.words import describe
from automation.cli import shapes
from automation.cli.output import clock_time, console, emit_event, say, span, table
from automation.core.roll import NodeLine, Phase, Record
from automation.core.versions import same_version
from automation.ports.clock import Clock

COLOURS = {
    Phase.IN_SERVICE: "green",
    Phase.DRAINING: "yellow",
    Phase.STOPPING: "dark_orange",
    Phase.STOPPED: "bright_black",
    Phase.BOOTING: "blue",
    Phase.JOINING: "cyan",
    Phase.LEAVING: "bright_black",
    Phase.ERROR: "bold red",
}
LOOK = 0.3
"""Seconds between two looks at a run that is followed."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the board knows before the first record."""

    cluster: str
    original: str
    target: str
    estimate: float | None = None
    """Seconds; None where nobody estimated."""


class Board:
    """Shows records as they come; a context manager.

    Args:
        heading: whose roll, from where to where.
        as_json: one event a line instead of words.
        clock: for the time waited so far.
    """

    def __init__(self, heading: Heading, *, as_json: bool = False, clock: Clock | None = None) -> None:
        self._heading = heading
        self._as_json = as_json
        self._clock = clock or SystemClock()
        self._began = self._clock.now()
        self._shown: Record | None = None
        self._since = self._began
        self._note = ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if not self._as_json and sys.stdout.isatty():
            self._live = Live(console=console(), refresh_per_second=4, get_renderable=self.render)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def record(self, run: str, record: Record) -> None:
        """Take in what a pass found and did."""
        if self._shown is None or (self._shown.name, self._shown.subject) != (record.name, record.subject):
            self._since = record.at
        if not record.nodes and self._shown is not None:
            record = replace(record, nodes=self._shown.nodes)  # trouble has no observation: keep the last one
        self._shown = record
        if self._as_json:
            emit_event("record", run=run, record=shapes.of_record(record))
        elif self._live is None:
            say(f"{clock_time(record.at)}  {describe(record)}  {_summary(record.nodes)}".rstrip())

    def note(self, text: str) -> None:
        """Show what goes on besides the roll, such as Pulumi's own steps."""
        if self._as_json:
            emit_event("progress", text=text)
        elif self._live is None:
            say(f"{clock_time(self._clock.now())}  {text}")
        self._note = text

    def render(self) -> RenderableType:
        """Return the board as it stands now."""
        heading, shown = self._heading, self._shown
        title = Text.assemble((heading.cluster, "bold"), f"  {heading.original} -> ", (heading.target, "bold"))
        if shown is None:
            return Group(title, Text(self._note or "waiting for the run to begin", style="dim"))
        title.append(f"  {shown.state}", style="bold cyan" if shown.state != "STABLE" else "bold green")
        return Group(title, _nodes(shown.nodes, heading.target), self._now(shown), self._progress(shown.nodes))

    def _now(self, record: Record) -> Text:
        waited = max(0.0, self._clock.now() - self._since)
        style = {"pause": "bold red", "trouble": "yellow", "finish": "bold green"}.get(record.kind, "")
        line = Text(describe(replace(record, state="")), style=style)
        return line.append(f"  {span(waited)}", style="dim") if record.kind in {"wait", "trouble"} else line

    def _progress(self, nodes: tuple[NodeLine, ...]) -> RenderableType:
        done, total = _done(nodes, self._heading.target), max(1, sum(n.phase is not Phase.LEAVING for n in nodes))
        elapsed = self._clock.now() - self._began
        left = f", about {span(self._heading.estimate)} estimated" if self._heading.estimate else ""
        row = Table.grid(padding=(0, 2))
        row.add_row(
            ProgressBar(total=total, completed=done, width=30), f"{done} of {total} nodes", span(elapsed) + left
        )
        return row


def _done(nodes: tuple[NodeLine, ...], target: str) -> int:
    return sum(same_version(n.version, target) and n.phase is Phase.IN_SERVICE for n in nodes)


def _nodes(nodes: tuple[NodeLine, ...], target: str) -> Table:
    rows = table(("INSTANCE", "ZONE", "ADDRESS", "VERSION", "PHASE", "STATE"), ())
    for node in nodes:
        colour = COLOURS.get(node.phase, "")
        version = Text(node.version or "-", style="bold" if same_version(node.version, target) else "dim")
        phase = Text(f"● {node.phase}", style=colour)
        rows.add_row(node.instance, node.zone or "-", node.address or "-", version, phase, node.state or "-")
    return rows


def _summary(nodes: tuple[NodeLine, ...]) -> str:
    """Return the nodes in a few characters for a line in a pipe: ``(2 in service, 1 booting)``."""
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.phase] = counts.get(node.phase, 0) + 1
    return f"({', '.join(f'{count} {phase}' for phase, count in counts.items())})" if counts else ""


def follow(reader: RunReader, run: str, board: Board, clock: Clock) -> None:
    """Show a run that another process drives, until it ends or pauses."""
    told = 0
    while True:
        found = reader.get(run)
        for record in reader.records(run, told):
            told += 1
            board.record(run, record)
        if not found.state.is_open or found.outcome is not None:
            return
        clock.sleep(LOOK)
