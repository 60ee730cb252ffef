"""A set's bad end as an error, for those who cannot go on without a good one."""

from __future__ import annotations

from automation.core.backups.memory import Ending, Memory
from automation.ports.errors import BbdcError


class InvalidSet(BbdcError):
    """The set must never be restored; nobody is locked out."""

    name = "invalid_set"


class LeftPending(BbdcError):
    """The operator left before the set was completed; nobody is locked out."""

    name = "left_pending"


class CloudSilent(LeftPending):
    """The cloud fell silent before the set was completed; nobody is locked out."""

    name = "cloud_silent"


class StillLocked(BbdcError):
    """Bitbucket's users are still locked out."""

    name = "still_locked"


def error_of(memory: Memory) -> BbdcError | None:
    """Return the bad end of a set as an error; None when it is complete, or not over yet."""
    outcome, name = memory.outcome, memory.backup.id
    if outcome is None or outcome.ending is Ending.COMPLETE:
        return None
    told = f"{outcome.reason}: {outcome.detail}".removesuffix(": ")
    if outcome.ending is Ending.LOCKED:
        hint = "run `bbdc recover` until it says that Bitbucket is free"
        return StillLocked(f"Bitbucket is still locked, by set {name}: {told}", hint=hint)
    if outcome.ending is Ending.PENDING:
        hint = "the next backup, or `bbdc recover`, completes it"
        kind = LeftPending if outcome.reason == "left" else CloudSilent
        return kind(f"set {name} is begun and not completed yet: {told}; Bitbucket is free", hint=hint)
    hint = "nobody is locked out; put that right and take another one"
    return InvalidSet(f"set {name} is invalid: {told}", hint=hint)
