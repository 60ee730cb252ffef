"""Backup sets in words and tables, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from automation.cli.backup_words import ENDINGS
from automation.cli.output import console, say, span, table
from automation.core.backups.labels import SET
from automation.core.backups.manifest import moment
from automation.core.backups.memory import Memory
from automation.core.backups.sets import BackupSet, Examination, Finding, Snapshot
from automation.engine.backups.plan import Survey
from automation.engine.backups.prune import Pruned, Pruning
from automation.engine.backups.recover import Recovered

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float) -> str:
    """Return a number of bytes as people say it: 12.5 GiB."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.4g} {_UNITS[unit]}"


def show_survey(survey: Survey) -> None:
    """Tell what a backup would find."""
    say(f"Survey of {survey.cluster} for a {survey.mode} set: Bitbucket {survey.version}")
    console().print(_findings(survey.findings))
    rows = [(s.role or s.kind, s.id, s.state or "-", size(s.size), s.zone or "-", s.problem) for s in survey.sources]
    console().print(table(("MEMBER", "OF", "STATE", "SIZE", "ZONE", "PROBLEM"), rows))
    say(f"{survey.repositories} repositories; manifests lie in {survey.place}")
    if survey.refused is not None:
        say(f"Refused by {survey.refused.name}: {survey.refused.detail}")


def show_list(sets: Sequence[BackupSet], now: float) -> None:
    """Tell all sets, one a line."""
    if not sets:
        say("no backup sets yet")
        return
    headings = ("SET", "NAME", "STATE", "MODE", "AGE", "LOCKED", "SKEW", "SIZE", "DRILLED")
    console().print(table(headings, [_line(each, now) for each in sets]))


def _line(each: BackupSet, now: float) -> tuple[str, ...]:
    locked = each.lock.seconds if each.lock is not None else None
    state = f"{each.state}{': ' if each.reason else ''}{each.reason}{', kept' if each.kept else ''}"
    return (
        each.id,
        each.name or "-",
        state,
        each.mode,
        span(max(0.0, now - each.created)),
        _seconds(locked),
        _seconds(each.skew),
        size(each.size),
        _examined(each.drilled),
    )


def _seconds(found: float | None) -> str:
    return "-" if found is None else f"{found:.3g} s"


def _examined(found: Examination | None) -> str:
    if found is None:
        return "-"
    return f"{'passed' if found.passed else 'FAILED'} in {span(found.seconds)}"


def show_set(found: BackupSet) -> None:
    """Tell one set."""
    name = f" ({found.name})" if found.name else ""
    say(f"set {found.id}{name}: {found.state}, {found.mode}, Bitbucket {found.version or '-'}")
    for line in _facts(found):
        say(f"  {line}")
    rows = [
        (m.role or m.kind, m.source, m.snapshot, moment(m.at) or "-", size(m.size), "yes" if m.completed else "no")
        for m in found.members
    ]
    console().print(table(("MEMBER", "OF", "SNAPSHOT", "INSTANT", "SIZE", "COMPLETED"), rows))
    for what, examination in (("verified", found.verified), ("drilled", found.drilled)):
        if examination is not None:
            say(f"{what} {moment(examination.at)}: {'passed' if examination.passed else 'NOT passed'}")
            console().print(_findings(examination.findings))


def _facts(found: BackupSet) -> Iterator[str]:
    if found.reason:
        yield f"{found.reason}: {found.detail}"
    by = f" by {found.by}" if found.by else ""
    yield f"begun {moment(found.created)}{by}, {'not ended' if found.ended is None else f'ended {moment(found.ended)}'}"
    if found.lock is not None and found.lock.seconds is not None:
        beyond = found.lock.beyond_drain
        rest = "" if beyond is None else f", {beyond:.2f} s of it beyond the drain"
        yield f"users locked out for {found.lock.seconds:.2f} s{rest}"
    if found.skew is not None:
        yield f"members lie {found.skew:.3f} s apart"
    if found.recover_to is not None:
        yield f"the database is restored to {moment(found.recover_to)}"
    for copy in found.copies:
        yield f"copy in {copy.region}, account {copy.account or '-'}: {copy.state} {copy.problem}".rstrip()
    if found.kept:
        yield "kept: retention never removes it"


def _findings(findings: Sequence[Finding]) -> Table:
    marks = {True: "[green]ok[/]", False: "[red]no[/]"}
    return table(("", "CHECK", "RESULT"), [(marks[f.passed], f.name, f.detail) for f in findings])


def show_pruning(planned: Pruning, pruned: Pruned | None, *, has_rules: bool) -> None:
    """Tell what retention says, and what became of it."""
    if not has_rules:
        say("no retention is set: every complete set is kept (docs/reference/settings.md, [backup.retention])")
    rows = [("keep" if v.keep else "remove", v.set_id, ", ".join(v.reasons)) for v in planned.verdicts]
    console().print(table(("", "SET", "WHY"), rows))
    for orphan in planned.orphans:
        say(f"remove orphan {_orphan(orphan)}")
    if pruned is None:
        going = sum(not v.keep for v in planned.verdicts)
        say(f"nothing was removed; `bbdc backup prune --yes` removes {going} sets and {len(planned.orphans)} orphans")
        return
    say(f"removed {len(pruned.sets)} sets and {len(pruned.snapshots)} orphans")
    for failure in pruned.failures:
        say(f"NOT removed: {failure}")


def show_recovered(found: Recovered, *, locked_by_us: bool) -> None:
    """Tell what a recovery found."""
    for memory in found.ended:
        say(f"set {memory.backup.id}: {_ended(memory)}")
    for each in found.stale:
        hint = f"if nobody takes it any more: `bbdc recover --abandon {each.id}`"
        say(f"set {each.id} is pending and unknown to this machine; {hint}")
    for orphan in found.orphans:
        say(f"orphan {_orphan(orphan)}: `bbdc backup prune` removes it when it is old enough")
    say(_lock(found, locked_by_us=locked_by_us))


def _lock(found: Recovered, *, locked_by_us: bool) -> str:
    if locked_by_us:
        hint = "run `bbdc recover` again; docs/how-to/back-up.md says what else frees it"
        if found.stale and not found.ended:
            hint = f"if nobody takes that set any more, `bbdc recover --abandon {found.stale[-1].id}` frees it"
        return f"Bitbucket is STILL LOCKED by {found.owner or 'us'}: {hint}"
    if found.owner_unknown:
        return f"nobody is locked out by us; who holds the lock is not known: {found.owner_unknown}"
    return "Bitbucket is free" if found.owner is None else f"Bitbucket is locked by {found.owner}, and not by us"


def _ended(memory: Memory) -> str:
    outcome = memory.outcome
    if outcome is None:
        return "under way"
    reason = f": {outcome.reason}: {outcome.detail}" if outcome.reason else ""
    return f"{ENDINGS[outcome.ending]}{reason}"


def _orphan(snapshot: Snapshot) -> str:
    at = "" if snapshot.at is None else f", {moment(snapshot.at)}"
    of = f", of set {snapshot.tags[SET]}" if SET in snapshot.tags else ""
    return f"{snapshot.id} of {snapshot.source}{of}{at}"
