"""``bbdc preflight``: every check, and the plan; nothing is changed."""

from __future__ import annotations

from automation.cli import context, shapes
from automation.cli.commands.options import Direct, Json, Version
from automation.cli.exit_codes import ExitCode
from automation.cli.output import console, emit, say, span, table
from automation.core.preflight import Check, Preflight
from automation.rolling import Rolling

BACKUP_CHECK = "backup_fresh"
BACKUP_HINT = "`bbdc backup create` takes one; so does `bbdc upgrade VERSION --backup`, without locking anybody out"


def preflight(version: Version, *, direct: Direct = False, json: Json = False) -> int:
    """Judge a roll to VERSION: run every check and show the order and an estimate. Changes nothing.

    Exit code 0 when the roll may begin, 3 when a blocking check says no.
    """
    estate = context.estate_to_roll(context.stack_here(direct=direct))
    result = Rolling(estate).preflight(version)
    if json:
        emit(shapes.of_preflight(result))
    else:
        show(result)
    return ExitCode.REFUSED if result.refused else ExitCode.OK


def show(result: Preflight) -> None:
    """Tell a preflight's result in words."""
    say(f"Preflight of {result.cluster}: {result.current} -> {result.target}")
    console().print(table(("", "CHECK", "RESULT"), [(_mark(c), c.name, c.detail) for c in result.checks]))
    if result.order:
        say(f"Order, least busy first: {', '.join(result.order)}")
        say(f"Estimate: about {span(result.estimate)} for {len(result.order)} nodes, one at a time")
    if result.refused:
        say(f"Refused by {result.refused.name}: {result.refused.detail}")
        if result.refused.name == BACKUP_CHECK:
            say(BACKUP_HINT)


def _mark(check: Check) -> str:
    if check.passed:
        return "[green]ok[/]"
    return "[red]no[/]" if check.blocking else "[yellow]!![/]"
