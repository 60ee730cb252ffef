"""When a set counts as good. One that breaks a rule here is invalid by construction, whatever its state says."""

from __future__ import annotations

from collections.abc import Iterator

from automation.core.backups.sets import BackupSet, Finding, Member, Mode


def refuse(found: BackupSet, *, skew_limit: float) -> Finding | None:
    """Return the first rule that ``found`` breaks; None when it may be called complete."""
    return next((finding for finding in judge(found, skew_limit=skew_limit) if not finding.passed), None)


def judge(found: BackupSet, *, skew_limit: float) -> tuple[Finding, ...]:
    """Hold every rule against a set.

    Args:
        found: the set.
        skew_limit: seconds that the members of a set without a lock may lie apart.
    """
    return tuple(_rules(found, skew_limit))


def _rules(found: BackupSet, skew_limit: float) -> Iterator[Finding]:
    missing = sorted(set(found.expected) - {m.source for m in found.members})
    nothing = "" if found.expected else "nothing to hold"
    yield Finding("whole", not (missing or nothing), _named("no member holds", missing) or nothing)
    unfixed = [m.source for m in found.members if m.at is None]
    yield Finding("instants_known", not unfixed, _named("nobody knows the instant of", unfixed))
    open_ends = [m.source for m in found.members if m.completed is None]
    yield Finding("members_completed", not open_ends, _named("not completed:", open_ends))
    if found.mode is Mode.LOCKED:
        yield from _lock_rules(found)
    else:
        skew = found.restored_skew
        near = skew is not None and skew <= skew_limit
        yield Finding("skew", near, "" if near else f"members lie {skew} s apart, more than {skew_limit:g} s")


def _lock_rules(found: BackupSet) -> Iterator[Finding]:
    lock = found.lock
    whole = lock is not None and lock.drained is not None and lock.released is not None
    yield Finding(
        "unlocked_cleanly", whole, "" if whole else "the lock was not held, drained and given back by this run"
    )
    if lock is None or lock.drained is None or lock.released is None:
        return
    outside = [m.source for m in found.members if not _inside(m, lock.drained, lock.released)]
    yield Finding("begun_under_lock", not outside, _named("begun outside the drained lock:", outside))


def _inside(member: Member, drained: float, released: float) -> bool:
    """Tell by our own clock alone: the cloud's may differ, but no answer arrives before its question was sent."""
    if member.begun is None or member.answered is None:
        return False
    return drained <= member.begun <= member.answered <= released


def _named(what: str, ids: list[str]) -> str:
    return f"{what} {', '.join(ids)}" if ids else ""
