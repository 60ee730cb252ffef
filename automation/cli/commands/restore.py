"""``bbdc restore``: a set beside the data in use, the swap to it, and the way back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from automation.cli.commands.options import Json, Yes
from automation.cli.commands.upgrade import refuse_unasked
from automation.cli.exit_codes import ExitCode, Usage
from automation.cli.output import say
from automation.cli.restore_board import RestoreBoard
from automation.cli.restore_words import ENDINGS
from automation.cli.trouble import redactor
from automation.core.restores.memory import Memory
from automation.engine.restores.ends import error_of
from automation.engine.restores.plan import Prospect
from automation.ports.errors import Refused
from automation.restoring import Restores

Set = Annotated[
    str | None, Parameter(name="SET", help="Id or name of a set, or `newest`; left out, NAME is data that is there.")
]
To = Annotated[str | None, Parameter(name="--to", help="Name of the generation of data that shall be in use.")]
Prepare = Annotated[
    bool, Parameter(name="--prepare", negative=(), help="Only make the data beside the old; swap another day.")
]
Undo = Annotated[
    bool,
    Parameter(name="--undo", negative=(), help="Use the former data again; before the swap, call the restore off."),
]


def restore(
    set_name: Set = None,
    /,
    *,
    to: To = None,
    prepare: Prepare = False,
    undo: Undo = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Restore SET as new data called NAME, and swap the estate to it; or use data that is there.

    Shows its plan and asks. New disks and a new database are made beside those in use, by the estate's Pulumi program.
    Then Bitbucket is stopped on every node, the program swaps, and the nodes are replaced one at a time. The old data
    stays as it is. A restore that paused or was killed goes on with the same command.
    """
    _check_words(set_name, to, prepare=prepare, undo=undo)
    refuse_unasked(yes=yes, as_json=json)
    board = RestoreBoard(as_json=json)
    restores = Restores.of(redactor=redactor(), on_event=progress_of(board))
    _show_and_ask(restores, board, set_name, to, prepare=prepare, undo=undo, yes=yes)
    memory = _guarded(lambda: _act(restores, board, set_name, to, prepare=prepare, undo=undo))
    error = error_of(memory)
    board.end(memory, ExitCode.OK if error is None else ExitCode.PAUSED)
    if error is not None:
        raise error
    if not json and memory.outcome is not None:
        say(f"{memory.plan.target}: {ENDINGS[memory.outcome.ending]}")
    return ExitCode.OK


def _check_words(set_name: str | None, to: str | None, *, prepare: bool, undo: bool) -> None:
    if undo and (set_name or to or prepare):
        raise Usage("--undo goes alone", hint="it brings the former data back, whatever that was called")
    if not undo and not to:
        raise Usage("which data shall be in use?", hint="name it: `bbdc restore SET --to NAME`, or say --undo")
    if prepare and not set_name:
        raise Usage("--prepare makes data from a set: which one?", hint="`bbdc backup list` shows all")


def _show_and_ask(
    restores: Restores,
    board: RestoreBoard,
    set_name: str | None,
    to: str | None,
    *,
    prepare: bool,
    undo: bool,
    yes: bool,
) -> None:
    begun, planned = _planned(restores, set_name, to, prepare=prepare, undo=undo)
    if planned is not None:
        board.plan(Memory(planned.plan), planned.findings)
        if (refused := planned.refused) is not None:
            raise Refused(refused.name, f"refused by {refused.name}: {refused.detail}", hint="nothing was changed")
    elif begun is not None:
        board.plan(begun, continued=True)
    memory = begun if planned is None else Memory(planned.plan)
    if memory is not None and not yes:
        _confirm(memory)


def _planned(
    restores: Restores, set_name: str | None, to: str | None, *, prepare: bool, undo: bool
) -> tuple[Memory | None, Prospect | None]:
    """Return what is gone on with, or the plan of what is begun."""
    if undo:
        begun, planned = restores.prospect_of_undo()
        return (begun, None) if planned is None else (None, planned)
    target = to or ""
    if (left := restores.going_on(target, set_name or "")) is not None:
        return left, None
    if set_name:
        return None, restores.prospect(set_name, target, prepare_only=prepare)
    return None, restores.prospect_of_use(target)


def _confirm(memory: Memory) -> None:
    plan = memory.plan
    what = f"Make {plan.target} beside {plan.previous}" if plan.prepare_only else "Lock everybody out and swap"
    what = "Call the restore off" if memory.calling_off else what
    sys.stdout.write(f"{what} now? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refused("not_confirmed", "nothing was changed: the question was not answered with yes")


def _act(
    restores: Restores, board: RestoreBoard, set_name: str | None, to: str | None, *, prepare: bool, undo: bool
) -> Memory:
    if undo:
        return restores.undo(tell=board.tell)
    if set_name:
        return restores.restore(set_name, to or "", prepare_only=prepare, tell=board.tell)
    return restores.use(to or "", tell=board.tell)


def _guarded(act: Callable[[], Memory]) -> Memory:
    try:
        return act()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; nothing is lost: the same command goes on from where it is, `bbdc restore --undo` goes back. "
            "When the stack says that an update is in progress, and none is, `pulumi cancel` frees it"
        ) from None


def progress_of(board: RestoreBoard) -> Callable[[Any], None]:
    """Return what shows the program's own steps."""

    def hear(event: Any) -> None:
        step = getattr(event, "resource_pre_event", None)
        if step is None or step.metadata.type.startswith("pulumi:providers:"):
            return
        operation = str(getattr(step.metadata.op, "value", step.metadata.op))
        if operation not in {"same", "read"}:
            board.note(f"pulumi: {operation} {step.metadata.type} {step.metadata.urn.rpartition('::')[2]}")

    return hear
