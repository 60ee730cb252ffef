"""A restore as it goes on: line by line for people, event by event as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from automation.cli import restore_shapes as shapes
from automation.cli.output import clock_time, console, emit_event, say, table
from automation.cli.restore_words import describe
from automation.core.backups.manifest import moment
from automation.core.backups.sets import Finding
from automation.core.restores.memory import Memory
from automation.core.restores.plan import RestorePlan
from automation.core.roll import Record


class RestoreBoard:
    """Shows the plan and what follows from it."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def plan(self, memory: Memory, findings: Iterable[Finding] = (), *, continued: bool = False) -> None:
        """Show what is going to be done, before anything is."""
        held = tuple(findings)
        if self._as_json:
            emit_event("plan", plan=shapes.of_plan(memory, held, continued=continued))
            return
        for line in _off_lines(memory) if memory.calling_off else _plan_lines(memory.plan, continued=continued):
            say(line)
        if held:
            show_findings(held)

    def tell(self, record: Record, memory: Memory) -> None:
        """Take in what a pass found and did."""
        if self._as_json:
            emit_event("restore", **shapes.of_pass(record, memory))
        else:
            say(f"{clock_time(record.at)}  {memory.plan.target}  {describe(record)}")

    def end(self, memory: Memory, code: int) -> None:
        """Tell the end."""
        if self._as_json:
            emit_event("result", **shapes.of_result(memory, code))

    def note(self, text: str) -> None:
        """Show what goes on besides, such as the program's own steps."""
        if self._as_json:
            emit_event("progress", text=text)
        else:
            say(text)


def show_findings(findings: Iterable[Finding]) -> None:
    """Tell checks in a table."""
    marks = {True: "[green]ok[/]", False: "[red]no[/]"}
    console().print(table(("", "CHECK", "RESULT"), [(marks[f.passed], f.name, f.detail) for f in findings]))


def _off_lines(memory: Memory) -> Iterable[str]:
    plan = memory.plan
    yield f"Call off the restore to {plan.target}: nothing was swapped, {plan.previous} stays in use"
    if memory.suspended:
        yield "  Bitbucket is started again on every node"
    yield f"  {plan.target} stays beside it: `bbdc restore --to {plan.target}` swaps another day"


def _plan_lines(plan: RestorePlan, *, continued: bool) -> Iterable[str]:
    again = " (goes on with what was begun)" if continued else ""
    if plan.set_id:
        yield f"Restore set {plan.set_id} to {plan.target}{again}"
    else:
        yield f"{'Back to' if plan.undo else 'Use'} {plan.target}{again}"
    made = plan.generation
    if made is not None and plan.set_id:
        database = made.database_snapshot or f"{made.database_source} as of {moment(made.database_time)}"
        yield f"  made beside the old: home from {', '.join(made.home_snapshots)}, database from {database}"
    if plan.prepare_only:
        yield f"  nobody is locked out: {plan.previous} stays in use; `bbdc restore --to {plan.target}` swaps later"
        return
    yield f"  swapped: {plan.previous} is put aside and kept as it is, {plan.target} is used in its place"
    yield "  locked out: everybody, from the stop of Bitbucket until the first new node serves; the others follow"
    yield f"  lost from sight: whatever was written to {plan.previous}{' after the set' if plan.set_id else ''}"
    yield f"  way back: `bbdc restore --undo` uses {plan.previous} again"
