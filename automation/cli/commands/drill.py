"""``bbdc drill``: prove that a set can be restored."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from automation.cli import restore_shapes as shapes
from automation.cli.commands.options import Json
from automation.cli.exit_codes import ExitCode, Usage
from automation.cli.output import clock_time, emit, emit_event, say, span
from automation.cli.restore_board import show_findings
from automation.cli.trouble import redactor
from automation.core.backups.sets import BackupSet
from automation.restoring import NEWEST, Restores

Set = Annotated[str | None, Parameter(name="SET", help="Id or name of a set.")]
Newest = Annotated[bool, Parameter(name="--newest", negative=(), help="Drill the newest complete set.")]
Sample = Annotated[int | None, Parameter(name="--sample", help="Repositories on which `git fsck` runs.")]
Clean = Annotated[
    bool, Parameter(name="--clean", negative=(), help="Drill nothing; remove what drills that died have left.")
]


def drill(
    set_name: Set = None,
    /,
    *,
    newest: Newest = False,
    sample: Sample = None,
    clean: Clean = False,
    json: Json = False,
) -> int:
    """Restore SET into isolation, check it, measure the time, and remove everything again.

    Nobody is locked out, and nothing of the estate is touched: a machine and a database of the drill's own are made and
    removed. Every repository in the database must have its directory and readable references, a sample passes
    `git fsck`, and the counts are those of the backup. The result becomes part of the set's manifest. Exit code 9 when
    the set did not pass.
    """
    if sum((set_name is not None, newest, clean)) != 1:
        raise Usage("drill what?", hint="say SET, --newest or --clean, one of them")
    if sample is not None and sample < 1:
        raise Usage(f"a sample of {sample} shows nothing", hint="say 1 or more")
    restores = Restores.of(redactor=redactor())
    if clean:
        return _clean(restores, as_json=json)
    drilled = restores.drill(set_name or NEWEST, sample=sample, say=_Said(restores, as_json=json))
    return _end(drilled, as_json=json)


def _clean(restores: Restores, *, as_json: bool) -> int:
    left = restores.clean(say=(lambda _: None) if as_json else say)
    if as_json:
        emit({"removed": list(left)})
    elif not left:
        say("no drill has left anything")
    return ExitCode.OK


class _Said:
    """Shows how a drill goes on."""

    def __init__(self, restores: Restores, *, as_json: bool) -> None:
        self._clock, self._as_json = restores.estate.clock, as_json

    def __call__(self, text: str) -> None:
        if self._as_json:
            emit_event("progress", text=text)
        else:
            say(f"{clock_time(self._clock.now())}  {text}")


def _end(found: BackupSet, *, as_json: bool) -> int:
    drilled = found.drilled
    code = ExitCode.OK if drilled is not None and drilled.passed else ExitCode.INVALID
    if as_json:
        emit_event("result", **shapes.of_drill(found, code))
    elif drilled is not None:
        show_findings(drilled.findings)
        verdict = "can be restored" if drilled.passed else "did NOT pass its drill"
        say(f"set {found.id} {verdict}; disks and database could be used after {span(drilled.seconds)}")
    return code
