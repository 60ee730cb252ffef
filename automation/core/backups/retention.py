"""Which sets are kept and which may go. Whole sets only, and never the last one that could save the company.

Rules of the calendar follow UTC: of each of the newest N days, ISO weeks, months and years that have a complete set,
the newest one of that period is kept (as restic and kopia count).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from automation.core.backups.sets import BackupSet, SetState


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept; a number of None sets no rule, and a policy without rules keeps everything."""

    last: int | None = None
    """The newest N complete sets."""
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None
    invalid_days: float = 7.0
    """Days for which an invalid set stays, so that somebody can look at it; also what has no manifest."""

    @property
    def is_empty(self) -> bool:
        """True when no rule says what to keep."""
        return all(n is None for n in (self.last, self.daily, self.weekly, self.monthly, self.yearly))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one set, and why."""

    set_id: str
    keep: bool
    reasons: tuple[str, ...]
    """Rules that keep it; for one that goes, why it may."""


PRUNED = "pruned"
"""Reason of a set whose removal was begun; the next pruning goes on with it."""
_DAY = 86_400.0
_PERIODS: tuple[tuple[str, Callable[[datetime], tuple[int, ...]]], ...] = (
    ("daily", lambda at: (at.year, at.timetuple().tm_yday)),
    ("weekly", lambda at: at.isocalendar()[:2]),
    ("monthly", lambda at: (at.year, at.month)),
    ("yearly", lambda at: (at.year,)),
)


def judge(sets: Sequence[BackupSet], policy: Retention, *, now: float) -> tuple[Verdict, ...]:
    """Return what becomes of every set, newest first.

    Kept whatever the policy says: the newest complete set, the newest one whose drill was passed, sets marked to be
    kept, and sets still under way.
    """
    ordered = sorted(sets, key=lambda each: (each.created, each.id), reverse=True)
    reasons: dict[str, list[str]] = {each.id: [] for each in ordered}
    complete = [each for each in ordered if each.state is SetState.COMPLETE]
    _promise(ordered, complete, reasons)
    _count(complete, policy, reasons)
    _calendar(complete, policy, reasons)
    return tuple(_verdict(each, reasons[each.id], policy, now) for each in ordered)


def _promise(ordered: Sequence[BackupSet], complete: Sequence[BackupSet], reasons: dict[str, list[str]]) -> None:
    if complete:
        reasons[complete[0].id].append("newest complete")
    drilled = next((each for each in complete if each.was_drilled), None)
    if drilled is not None:
        reasons[drilled.id].append("newest drilled")
    for each in ordered:
        if each.kept:
            reasons[each.id].append("marked to be kept")
        if each.state is SetState.PENDING:
            reasons[each.id].append("under way")


def _count(complete: Sequence[BackupSet], policy: Retention, reasons: dict[str, list[str]]) -> None:
    for each in complete[: policy.last or 0]:
        reasons[each.id].append("last")


def _calendar(complete: Sequence[BackupSet], policy: Retention, reasons: dict[str, list[str]]) -> None:
    for name, period in _PERIODS:
        wanted, seen = getattr(policy, name) or 0, set[tuple[int, ...]]()
        for each in complete:
            when = period(datetime.fromtimestamp(each.created, UTC))
            if when not in seen and len(seen) < wanted:
                seen.add(when)
                reasons[each.id].append(name)


def _verdict(each: BackupSet, reasons: Sequence[str], policy: Retention, now: float) -> Verdict:
    if reasons:
        return Verdict(each.id, keep=True, reasons=tuple(reasons))
    if each.state is SetState.COMPLETE:
        if policy.is_empty:
            return Verdict(each.id, keep=True, reasons=("no rule",))
        return Verdict(each.id, keep=False, reasons=("no rule keeps it",))
    if each.reason == PRUNED:
        return Verdict(each.id, keep=False, reasons=("its removal was begun",))
    young = now - each.created < policy.invalid_days * _DAY
    why = f"invalid, younger than {policy.invalid_days:g} days" if young else "invalid"
    return Verdict(each.id, keep=young, reasons=(why,))
