"""``bbdc approve|pause|resume|abort``: a word to the run that is under way, from any terminal."""

from __future__ import annotations

from automation.adapters.runs.reader import Run, RunReader, RunState
from automation.adapters.whoami import operator
from automation.cli import context
from automation.cli.commands.options import Json
from automation.cli.output import emit, say
from automation.core.roll import Message, MessageKind
from automation.ports.errors import Refused


def approve(*, json: Json = False) -> int:
    """Let the roll pass its point of no return, once its gates are open. After it there is no rollback."""
    return _send(MessageKind.APPROVE, "approved", as_json=json)


def pause(*, json: Json = False) -> int:
    """Stop before the next node; the node that is being replaced is finished first."""
    return _send(MessageKind.PAUSE, "will pause before the next node", as_json=json)


def resume(*, json: Json = False) -> int:
    """Go on after a pause."""
    return _send(MessageKind.RESUME, "goes on", as_json=json)


def abort(*, json: Json = False) -> int:
    """End the run once nothing is half done. The upgrade stays open: run it again, or roll back."""
    return _send(MessageKind.ABORT, "ends once nothing is half done", as_json=json)


def _send(kind: MessageKind, effect: str, *, as_json: bool) -> int:
    cluster = context.settings().cluster_name
    with context.reader() as reader:
        run = context.newest_open(reader, cluster)
        _refuse_in_vain(kind, run)
        _deliver(reader, run, kind)
    if as_json:
        emit({"sent": kind.value, "run": run.id, "driven": run.holder is not None})
    else:
        say(f"{run.id}: {effect}" + ("" if run.holder else "; no process drives it now, the next upgrade hears it"))
    return 0


def _deliver(reader: RunReader, run: Run, kind: MessageKind) -> None:
    reader.send(run.id, Message(kind, operator()))


def _refuse_in_vain(kind: MessageKind, run: Run) -> None:
    if kind is MessageKind.PAUSE and run.state is RunState.PAUSED:
        raise Refused("already_paused", f"run {run.id} is paused already", hint="`bbdc resume` goes on")
    if kind is MessageKind.RESUME and run.state is RunState.PAUSED and run.holder is None:
        raise Refused(
            "nobody_drives",
            f"run {run.id} is paused and no process drives it",
            hint=f"`bbdc upgrade {run.plan.target}` or `pulumi up` goes on with it",
        )
