"""``bbdc upgrade``: preflight, plan, question, roll."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from automation.adapters.pulumi.stack import EstateStack
from automation.cli import context, drive, shapes
from automation.cli.board import Board, Heading
from automation.cli.commands import preflight as preflight_command
from automation.cli.commands.options import Direct, Json, Version, Yes
from automation.cli.commands.report import write_page
from automation.cli.exit_codes import ExitCode, Usage, code_of_outcome
from automation.cli.output import emit_event, say
from automation.core.backups.sets import Mode
from automation.core.preflight import Preflight
from automation.core.roll import Approval, Outcome
from automation.core.versions import same_version
from automation.engine.backups.ends import error_of
from automation.ports.errors import Refused
from automation.rolling import Estate, Rolling

Surge = Annotated[
    bool | None,
    Parameter(name="--surge", negative="--no-surge", help="Add a machine for the time of the roll, or do without."),
]
Approve = Annotated[
    Approval | None, Parameter(name="--approval", help="Who lets the roll pass its point of no return.")
]
Page = Annotated[Path | None, Parameter(name="--report", help="Write the HTML report here when the roll ends.")]
Backup = Annotated[
    bool,
    Parameter(name="--backup", negative=(), help="Take a backup set first, without locking anybody out."),
]
Locked = Annotated[bool, Parameter(name="--locked", negative=(), help="Take that set under the maintenance lock.")]
Done = tuple[str | None, Outcome | None]
"""The run that rolled, if there was one, and how it ended."""


def upgrade(
    version: Version,
    *,
    yes: Yes = False,
    surge: Surge = None,
    approval: Approve = None,
    backup: Backup = False,
    locked: Locked = False,
    report: Page = None,
    direct: Direct = False,
    json: Json = False,
) -> int:
    """Roll the cluster to VERSION, one node at a time, while it serves.

    Shows the preflight, the order and an estimate, and asks. In the directory of a Pulumi program this is the program's
    own `pulumi up` with the version set; --surge and --approval are written to the stack's config too. A roll that was
    interrupted, or paused with a named reason, goes on with the same command. With --json one event a line.
    """
    refuse_unasked(yes=yes, as_json=json)
    if locked and not backup:
        raise Usage("--locked says how to take a backup, and none is asked for", hint="say --backup --locked")
    stack = context.stack_here(direct=direct)
    estate = context.estate_to_roll(stack, surge=surge, approval=approval)
    mode = (Mode.LOCKED if locked else Mode.ZERO_DOWNTIME) if backup else None
    changes = {} if surge is None else {"surge": str(surge).lower()}
    changes |= {} if approval is None else {"approval": approval.value}
    return roll(estate, stack, version, yes=yes, report=report, as_json=json, changes=changes, backup=mode)


def roll(
    estate: Estate,
    stack: EstateStack | None,
    target: str,
    *,
    yes: bool,
    as_json: bool,
    report: Path | None = None,
    changes: Mapping[str, str] | None = None,
    backup: Mode | None = None,
) -> int:
    """Judge, ask, and carry the roll out; also the way of a rollback.

    Args:
        estate: the estate, with the settings of the roll.
        stack: the Pulumi stack that owns it; None rolls directly.
        target: version that every node shall run.
        yes: do not ask.
        as_json: one event a line.
        report: where to write the HTML page.
        changes: further keys to set in the stack's config.
        backup: how to take a backup set before the roll; None takes none.
    """
    rolling = Rolling(estate, owns_model=stack is None)
    judged = _judge(rolling, target, as_json=as_json, takes_backup=backup is not None)
    if not judged.order and rolling.unfinished() is None and same_version(judged.current, target):
        return _nothing_to_do(judged, as_json=as_json)
    rolling.refuse_if_held()
    _confirm(judged, yes=yes)
    if backup is not None:
        _back_up(rolling, backup, as_json=as_json)
    with Board(Heading(estate.cluster, judged.current, target, judged.estimate), as_json=as_json) as board:
        if stack is not None:
            with stack.configured({"version": target, **(changes or {})}):
                run, outcome = _guarded(target, lambda: drive.through_pulumi(stack, estate, board))
        else:
            run, outcome = _guarded(target, lambda: drive.directly(rolling, target, board))
    return _end(run, outcome, target, report, as_json=as_json)


def refuse_unasked(*, yes: bool, as_json: bool) -> None:
    """Refuse, before anything is read, when a question would find nobody to answer it."""
    if not yes and (as_json or not (sys.stdin.isatty() and sys.stdout.isatty())):
        raise Usage("nobody can be asked: this is no terminal", hint="say --yes to act without a question")


def _back_up(rolling: Rolling, mode: Mode, *, as_json: bool) -> None:
    """Take a set, and go on only with a complete one; an upgrade that is open already had its chance."""
    from automation.cli.commands.backup import backing, take  # noqa: PLC0415 (only those who ask for it wait for it)

    if rolling.unfinished() is not None:
        return
    error = error_of(take(backing(), mode, name="", as_json=as_json))
    if error is not None:
        raise error


def _judge(rolling: Rolling, target: str, *, as_json: bool, takes_backup: bool) -> Preflight:
    judged = rolling.preflight(target)
    if as_json:
        emit_event("preflight", preflight=shapes.of_preflight(judged))
    else:
        preflight_command.show(judged)
    soon_passed = {preflight_command.BACKUP_CHECK} if takes_backup else set[str]()
    refusals = (c for c in judged.checks if c.blocking and not c.passed and c.name not in soon_passed)
    refused = next(refusals, None)
    if refused is not None and rolling.unfinished() != target:
        hint = preflight_command.BACKUP_HINT if refused.name == preflight_command.BACKUP_CHECK else ""
        raise Refused(refused.name, f"refused by {refused.name}: {refused.detail}", hint=hint)
    return judged


def _nothing_to_do(judged: Preflight, *, as_json: bool) -> int:
    if as_json:
        emit_event("outcome", run=None, outcome=None, exit_code=ExitCode.OK)
    else:
        say(f"Nothing to do: every node of {judged.cluster} runs {judged.target} already.")
    return ExitCode.OK


def _confirm(judged: Preflight, *, yes: bool) -> None:
    if yes:
        return
    sys.stdout.write(f"Roll {judged.cluster} from {judged.current} to {judged.target} now? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refused("not_confirmed", "nothing was changed: the question was not answered with yes")


def _guarded(target: str, act: Callable[[], Done]) -> Done:
    try:
        return act()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; the roll is not lost: `bbdc upgrade {target}` (or `pulumi up`) goes on from where it is, "
            "`bbdc rollback` brings every node back, `bbdc status` shows how far it came"
        ) from None


def _end(run: str | None, outcome: Outcome | None, target: str, report: Path | None, *, as_json: bool) -> int:
    if run is not None and report is not None:
        write_page(run, report)
    code = ExitCode.OK if outcome is None else code_of_outcome(outcome)
    if as_json:
        emit_event("outcome", run=run, outcome=shapes.of_outcome(outcome), exit_code=code)
    drive.raise_if_paused(run, outcome, target)
    if not as_json:
        say(f"Run {run}: {outcome.ending}: every node runs {target}." if outcome else "The stack is up to date.")
    return code
