"""A restore's or a drill's bad end as an error, for those who cannot go on without a good one."""

from __future__ import annotations

from automation.core.restores.memory import Ending, Memory
from automation.ports.errors import BbdcError


class RestorePaused(BbdcError):
    """The restore stopped with a named reason; the same command goes on."""

    def __init__(self, memory: Memory) -> None:
        outcome, plan = memory.outcome, memory.plan
        reason, detail = (outcome.reason, outcome.detail) if outcome is not None else ("", "")
        if memory.activated is not None:
            now = f"{plan.target} is in use, and not every node is back"
        elif memory.stopped:
            now = f"{plan.previous} is in use, and Bitbucket is stopped on {', '.join(memory.stopped)}"
        else:
            now = "users work on undisturbed"
        hint = f"{now}; put that right, then the same command goes on, or `bbdc restore --undo` goes back"
        super().__init__(f"the restore to {plan.target} paused: {reason}: {detail}", hint=hint)
        self.name = reason


def error_of(memory: Memory) -> BbdcError | None:
    """Return the bad end of a restore as an error; None when it came to a good one."""
    outcome = memory.outcome
    return RestorePaused(memory) if outcome is not None and outcome.ending is Ending.PAUSED else None
