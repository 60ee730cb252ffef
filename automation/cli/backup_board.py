"""The board of a backup: live on a terminal, line by line in a pipe, event by event as JSON."""

from __future__ import annotations

import sys
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automation.cli import backup_shapes as shapes
from automation.cli.backup_words import describe, locked_seconds, phase
from automation.cli.output import clock_time, console, emit_event, say, span
from automation.core.backups.memory import Memory
from automation.core.backups.sets import Member
from automation.core.roll import Record
from automation.engine.backups.plan import Survey
from automation.ports.clock import Clock

_STYLES = {"trouble": "yellow", "finish": "bold"}


class BackupBoard:
    """Shows what a backup finds and does; a context manager.

    Args:
        cluster: whose backup.
        clock: the estate's, for the time that users have been locked out so far.
        as_json: one event a line instead of words.
    """

    def __init__(self, cluster: str, clock: Clock, *, as_json: bool = False) -> None:
        self._cluster = cluster
        self._clock = clock
        self._as_json = as_json
        self._survey: Survey | None = None
        self._shown: tuple[Record, Memory] | None = None
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

    def surveyed(self, survey: Survey) -> None:
        """Take in what was found before the first act."""
        self._survey = survey
        if self._as_json:
            emit_event("survey", survey=shapes.of_survey(survey))
        elif self._live is None:
            passed = sum(finding.passed for finding in survey.findings)
            ids = ", ".join(source.id for source in survey.sources)
            say(f"{clock_time(survey.at)}  {passed} of {len(survey.findings)} checks passed; members: {ids}")

    def tell(self, record: Record, memory: Memory) -> None:
        """Take in what a pass found and did."""
        self._shown = (record, memory)
        if self._as_json:
            emit_event("backup", **shapes.of_pass(record, memory))
        elif self._live is None:
            locked = locked_seconds(memory, record.at) if memory.locked_out else None
            note = "" if locked is None else f"  (users locked out for {locked:.1f} s)"
            say(f"{clock_time(record.at)}  {memory.backup.id}  {describe(record)}{note}")

    def render(self) -> RenderableType:
        """Return the board as it stands now."""
        title = Text.assemble((self._cluster, "bold"), "  backup")
        if self._shown is None:
            return Group(title, Text("looking at everything that a set needs", style="dim"))
        record, memory = self._shown
        title.append(f"  {memory.backup.id}  {memory.backup.mode}  ")
        title.append(phase(memory), style="bold red" if memory.stopping else "bold cyan")
        now = Text(describe(record), style=_STYLES.get(record.kind, ""))
        return Group(title, self._lock(memory), _members(memory), now)

    def _lock(self, memory: Memory) -> Text:
        if not memory.needs_lock:
            return Text("nobody is locked out", style="green")
        now = self._clock.now()
        seconds = locked_seconds(memory, now)
        if seconds is None:
            return Text("nobody is locked out yet" if memory.asked is None else "nobody is locked out", style="green")
        if not memory.locked_out:
            return Text(f"users were locked out for {seconds:.1f} s", style="green")
        drained = "draining" if memory.drained is None else f"drained for {now - memory.drained:.1f} s"
        return Text(f"users locked out for {seconds:.1f} s, {drained}", style="bold yellow")


def _members(memory: Memory) -> RenderableType:
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("MEMBER", "OF", "SNAPSHOT", "INSTANT", "COMPLETED"):
        rows.add_column(heading, overflow="fold")
    for member in memory.backup.members:
        instant = "-" if member.at is None else clock_time(member.at)
        rows.add_row(member.role or member.kind.value, member.source, member.snapshot, instant, _bar(member, memory))
    begun = {member.source for member in memory.backup.members}
    for source in memory.sources:
        if source.id not in begun:
            rows.add_row(source.role or source.kind.value, source.id, "-", "-", "")
    return rows


def _bar(member: Member, memory: Memory) -> RenderableType:
    percent = 100 if member.completed is not None else memory.percents.get(member.snapshot, 0)
    row = Table.grid(padding=(0, 1))
    done = "" if member.completed is None or member.begun is None else f" in {span(member.completed - member.begun)}"
    row.add_row(ProgressBar(total=100, completed=percent, width=20), f"{percent} %{done}")
    return row
