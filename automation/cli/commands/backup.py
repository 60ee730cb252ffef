"""``bbdc backup``: take sets, look at them, copy and prune them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from automation.backing import AlreadyLocked, Backing
from automation.cli import backup_shapes as shapes
from automation.cli.backup_board import BackupBoard
from automation.cli.backup_show import show_list, show_pruning, show_set, show_survey
from automation.cli.commands.options import Json, Yes
from automation.cli.exit_codes import ExitCode, Usage, code_of_backup
from automation.cli.output import emit, emit_event, say
from automation.cli.trouble import redactor, tell, told
from automation.core.backups.manifest import from_json, to_json
from automation.core.backups.memory import Memory
from automation.core.backups.sets import BackupSet, Mode
from automation.engine.backups.ends import error_of
from automation.ports.vaults import Destination

app = cyclopts.App(name="backup", help="Take, list, verify, copy, export and prune backup sets.")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}")
ZeroDowntime = Annotated[
    bool,
    Parameter(
        name="--zero-downtime",
        negative=(),
        help="Lock nobody out: members lie a fraction of a second apart, and a restore checks integrity.",
    ),
]
Name = Annotated[str, Parameter(name="--name", help="What you call the set; other commands find it by it.")]
Keep = Annotated[bool, Parameter(name="--keep", negative=(), help="Retention never removes this set.")]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative=(), help="Only look: every check, and every member.")]
Page = Annotated[Path | None, Parameter(name="--report", help="Write the set's HTML page to this file.")]
Set = Annotated[str, Parameter(name="SET", help="Id or name of a set; of several with one name the newest.")]
Region = Annotated[str, Parameter(name="--region", help="Region to copy to.")]
Role = Annotated[str, Parameter(name="--role", help="ARN of a role to take in another account.")]
Key = Annotated[str, Parameter(name="--key", help="KMS key there; the account's default key when left out.")]
Account = Annotated[str, Parameter(name="--account", help="The other account's number; else it is read from the role.")]
To = Annotated[Path, Parameter(name="--to", help="File to write; it must not exist yet.")]
No = Annotated[bool, Parameter(name="--no", negative=(), help="Take the mark off again.")]


@app.command
def create(
    *,
    zero_downtime: ZeroDowntime = False,
    name: Name = "",
    keep: Keep = False,
    dry_run: DryRun = False,
    report: Page = None,
    json: Json = False,
) -> int:
    """Take a set: under the maintenance lock, or without it.

    Everything that can fail is looked at first. Then Bitbucket is locked and drained, all members are begun at once,
    and Bitbucket is unlocked again before the cloud has completed them. TERM, Ctrl-C and HUP stop it in order.
    Sets that a dead process left are brought to their end first.
    """
    if name and not _NAME.fullmatch(name):
        raise Usage(f"a set cannot be called {name!r}", hint="up to 63 letters, digits, spaces and . _ -")
    mode = Mode.ZERO_DOWNTIME if zero_downtime else Mode.LOCKED
    backed = backing()
    if dry_run:
        return _look(backed, mode, as_json=json)
    memory = take(backed, mode, name=name, keep=keep, as_json=json)
    return _end(memory, report, as_json=json)


def backing() -> Backing:
    """Return the backing of the estate as the environment describes it; what is secret about it is never shown."""
    return Backing.of(redactor=redactor())


def take(backed: Backing, mode: Mode, *, name: str = "", keep: bool = False, as_json: bool) -> Memory:
    """Take a set and show it on the board."""
    with BackupBoard(backed.cluster, backed.safe.clock, as_json=as_json) as board:
        return backed.create(mode, name=name, keep=keep, on_survey=board.surveyed, tell=board.tell)


def _look(backed: Backing, mode: Mode, *, as_json: bool) -> int:
    found = backed.survey(mode)
    if as_json:
        emit(shapes.of_survey(found))
    else:
        show_survey(found)
    if found.refused is None:
        return ExitCode.OK
    return ExitCode.CONFLICT if found.refused.name == AlreadyLocked.check else ExitCode.REFUSED


def _end(memory: Memory, report: Path | None, *, as_json: bool) -> int:
    code, error = code_of_backup(memory.outcome), error_of(memory)
    if report is not None:
        write_page(memory.backup, report)
    if as_json:
        emit_event("result", **shapes.of_result(memory, code))
    elif error is None:
        show_set(memory.backup)
    if error is not None:  # on standard error only: the result is standard output's last line
        tell(told(error, ["backup"]), as_json=False)
    return code


def write_page(found: BackupSet, path: Path) -> None:
    """Write the HTML page of a set."""
    from automation.cli.backup_page import render  # noqa: PLC0415 (jinja takes a while to import)

    kept = from_json(to_json(found))  # the same page now and in a year: times as the manifest has them
    path.write_text(render(kept), encoding="utf-8")


@app.command(name="list")
def list_(*, json: Json = False) -> int:
    """List all sets, oldest first; also those whose manifest is lost. Changes nothing."""
    backed = backing()
    sets, now = backed.sets(), backed.now()
    if json:
        emit([shapes.of_set(each, now) for each in sets])
    else:
        show_list(sets, now)
    return ExitCode.OK


@app.command
def show(name: Set, /, *, report: Page = None, json: Json = False) -> int:
    """Show one set: its manifest, members and examinations. Changes nothing."""
    found = backing().show(name)
    if report is not None:
        write_page(found, report)
    if json:
        emit(to_json(found))
    else:
        show_set(found)
    return ExitCode.OK


@app.command
def verify(name: Set, /, *, json: Json = False) -> int:
    """Look whether a set's members lie in the cloud as its manifest says; the result becomes part of the manifest.

    Exit code 9 when it is not so. Whether it can be restored only a drill tells.
    """
    found = backing().verify(name)
    if json:
        emit(to_json(found))
    else:
        show_set(found)
    passed = found.verified is not None and found.verified.passed
    return ExitCode.OK if passed else ExitCode.INVALID


@app.command
def prune(*, yes: Yes = False, json: Json = False) -> int:
    """Remove what retention no longer keeps: whole sets, and old orphans. Without --yes it only shows what would go.

    The newest complete set, the newest drilled one, and sets marked with `bbdc backup keep` always stay.
    """
    backed = backing()
    planned = backed.plan_pruning()
    pruned = backed.prune() if yes else None
    if json:
        emit(shapes.of_pruning(backed.retention, planned, pruned))
    else:
        show_pruning(planned, pruned, has_rules=not backed.retention.is_empty)
    return ExitCode.UNEXPECTED if pruned is not None and pruned.failures else ExitCode.OK


@app.command
def copy(
    name: Set, /, *, region: Region, role: Role = "", key: Key = "", account: Account = "", json: Json = False
) -> int:
    """Copy a complete set to another region or account, with that one's key, and wait until it is there.

    A copy that was interrupted, or did not complete in time, goes on with the same command.
    """
    copied = backing().copy(name, Destination(region, encryption_key=key, role=role), account=account)
    if json:
        emit(to_json(copied))
    else:
        say(f"set {copied.id} is in {region} too: {', '.join(copied.copies[-1].members.values())}")
    return ExitCode.OK


@app.command
def export(name: Set, /, *, to: To, json: Json = False) -> int:
    """Write a set's manifest, and what it takes to restore it by hand, to a file of mode 0600."""
    found = backing().export(name, to)
    if json:
        emit({"set": found.id, "file": str(to)})
    else:
        say(f"set {found.id} written to {to}")
    return ExitCode.OK


@app.command
def keep(name: Set, /, *, no: No = False, json: Json = False) -> int:
    """Mark a set so that retention never removes it; --no takes the mark off."""
    marked = backing().keep(name, kept=not no)
    if json:
        emit(to_json(marked))
    else:
        say(f"set {marked.id} {'is kept' if marked.kept else 'is no longer kept'}")
    return ExitCode.OK


@app.command
def cancel(*, json: Json = False) -> int:
    """Ask the backup that another process takes to stop in order; returns at once."""
    who = backing().cancel()
    if json:
        emit({"sent": "TERM", "pid": who.pid, "host": who.host})
    else:
        say(f"asked the backup to stop: {who}")
    return ExitCode.OK
