"""``bbdc recover``: after a backup that died."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from automation.backing import Backing
from automation.cli import backup_shapes as shapes
from automation.cli.backup_board import BackupBoard
from automation.cli.backup_show import show_recovered
from automation.cli.commands.backup import backing
from automation.cli.commands.options import Json
from automation.cli.exit_codes import ExitCode
from automation.cli.output import emit
from automation.core.backups.memory import Memory
from automation.core.roll import Record
from automation.engine.backups.recover import Recovered

Abandon = Annotated[
    str | None,
    Parameter(
        name="--abandon",
        help="Id of a pending set that nobody takes any more and whose journal is lost with its machine: it is called "
        "invalid, and its lock is freed with the token from the nodes' logs.",
    ),
]


def recover(*, abandon: Abandon = None, json: Json = False) -> int:
    """Free the lock of a backup that died, bring its set to its end, and list what belongs to nobody.

    Exit code 0 when nobody is locked out by us, 10 when Bitbucket is still locked. May be run again at any time.
    """
    backed = backing()
    found = _recover(backed, abandon, as_json=json)
    locked = backed.holds_lock(found)
    code = ExitCode.STILL_LOCKED if locked else ExitCode.OK
    if json:
        emit(shapes.of_recovered(found, cluster=backed.cluster, locked_by_us=locked, now=backed.now(), code=code))
    else:
        show_recovered(found, locked_by_us=locked)
    return code


def _recover(backed: Backing, abandon: str | None, *, as_json: bool) -> Recovered:
    def silent(_record: Record, _memory: Memory) -> None:
        """One value is all that --json prints."""

    board = BackupBoard(backed.cluster, backed.safe.clock)
    tell = silent if as_json else board.tell
    abandoned = () if abandon is None else (backed.abandon(abandon, tell=tell),)
    found = backed.recover(tell=tell)
    return replace(found, ended=(*abandoned, *found.ended))
