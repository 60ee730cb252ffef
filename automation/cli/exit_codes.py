"""Exit codes: a contract with scripts, documented in docs/reference/exit-codes.md. Nothing else exits."""

from __future__ import annotations

from enum import IntEnum

from automation.core.backups import memory as backups
from automation.core.roll import Ending, Outcome
from automation.engine.backups.ends import CloudSilent, InvalidSet, LeftPending, StillLocked
from automation.engine.restores.ends import RestorePaused
from automation.ports.errors import (
    BbdcError,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Refused,
    Unavailable,
    Unreachable,
)


class ExitCode(IntEnum):
    """What a command's end means."""

    OK = 0
    UNEXPECTED = 1
    """A defect, or an answer that nobody documented."""
    USAGE = 2
    """The command line is wrong, or a question could not be asked."""
    REFUSED = 3
    """A named rule says no; nothing was changed."""
    PAUSED = 4
    """The roll or the restore stopped with a named reason; the same command goes on with it."""
    DENIED = 5
    """Credentials are wrong or missing, or lack a right."""
    UNREACHABLE = 6
    """The other side did not answer."""
    CONFLICT = 7
    """Another run, or another update, holds the cluster."""
    NOT_FOUND = 8
    """There is no such stack, cluster, run, backup set or program."""
    INVALID = 9
    """The backup set is invalid, or its examination was not passed; nobody is locked out."""
    STILL_LOCKED = 10
    """Bitbucket is still locked by us: its users wait."""
    INTERRUPTED = 130
    """Ctrl-C, TERM or HUP; what was begun goes on with the next command."""


class Usage(BbdcError):
    """The command line is wrong, or a question could not be asked."""


class Stopped(BbdcError):
    """The roll stopped with a named reason."""

    def __init__(self, outcome: Outcome, run: str, *, hint: str) -> None:
        super().__init__(f"run {run} paused: {outcome.reason}: {outcome.detail}", hint=hint)
        self.name = outcome.reason


_BY_ERROR: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (Usage, ExitCode.USAGE),
    (Stopped, ExitCode.PAUSED),
    (RestorePaused, ExitCode.PAUSED),
    (Refused, ExitCode.REFUSED),
    (InvalidSet, ExitCode.INVALID),
    (StillLocked, ExitCode.STILL_LOCKED),
    (CloudSilent, ExitCode.UNREACHABLE),
    (LeftPending, ExitCode.INTERRUPTED),
    (NotAuthenticated, ExitCode.DENIED),
    (Forbidden, ExitCode.DENIED),
    (Unavailable, ExitCode.UNREACHABLE),
    (Unreachable, ExitCode.UNREACHABLE),
    (Conflict, ExitCode.CONFLICT),
    (NotFound, ExitCode.NOT_FOUND),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
)


def code_of(error: BaseException) -> ExitCode:
    """Return the exit code that an error means."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), ExitCode.UNEXPECTED)


def code_of_outcome(outcome: Outcome) -> ExitCode:
    """Return the exit code that a roll's end means."""
    return ExitCode.PAUSED if outcome.ending is Ending.PAUSED else ExitCode.OK


_BY_BACKUP = {
    backups.Ending.COMPLETE: ExitCode.OK,
    backups.Ending.INVALID: ExitCode.INVALID,
    backups.Ending.PENDING: ExitCode.INTERRUPTED,
    backups.Ending.LOCKED: ExitCode.STILL_LOCKED,
}


def code_of_backup(outcome: backups.Outcome | None) -> ExitCode:
    """Return the exit code that a backup's end means."""
    if outcome is None:
        return ExitCode.UNEXPECTED
    if outcome.reason == "already_locked":  # somebody was quicker, between the survey and the lock
        return ExitCode.CONFLICT
    return _BY_BACKUP[outcome.ending]
