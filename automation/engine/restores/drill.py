"""Prove that a set can be restored: into isolation, with real checks, measured, and removed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from automation.core.backups.sets import BackupSet, Examination, Finding, MemberKind
from automation.engine.restores import checks
from automation.ports.clock import Clock
from automation.ports.drills import Drills, Place
from automation.ports.errors import BbdcError, NotFound, Refused, Unavailable, Unexpected
from automation.ports.shell import Shell
from automation.ports.vaults import Manifests

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DrillSettings:
    """How a drill goes; all times in seconds."""

    sample: int = 20
    """Repositories on which ``git fsck`` runs; every one is looked at for its directory and its references."""
    ready_timeout: float = 2 * 3600.0
    """Longest wait for the restored database: large ones take their time."""
    check_timeout: float = 3600.0
    """Longest time for the checks."""
    close_timeout: float = 3600.0
    """Longest wait until everything is removed again."""
    poll: float = 5.0


@dataclass(frozen=True, slots=True)
class Ground:
    """One estate's ports for drills."""

    clock: Clock
    drills: Drills
    shell: Shell
    manifests: Manifests


def drill(
    at: Ground, settings: DrillSettings, found: BackupSet, *, by: str = "", say: Say = lambda _: None
) -> BackupSet:
    """Restore ``found`` into isolation, check it, remove everything and write the result into its manifest.

    Whatever happens on the way, the place is removed; what cannot be is told, and found again by ``leftovers``.

    Raises:
        BbdcError: the drill could not be carried out; the set is then not called good or bad.
    """
    name = f"{found.id}-{int(at.clock.now()) % 100_000:05}"
    began = at.clock.now()
    try:
        at.drills.open(name, found)
        place = _ready(at, settings, name, say)
        usable = at.clock.now() - began
        say(f"disks and database can be used after {usable:.0f} s")
        findings = tuple(_check(at, settings, found, place))
    finally:
        clean(at, settings, name, say)
    passed = all(finding.passed for finding in findings)
    result = Examination(at.clock.now(), passed, findings, usable, by)
    drilled = replace(at.manifests.read(found.id), drilled=result)
    at.manifests.write(drilled)
    return drilled


def clean(at: Ground, settings: DrillSettings, name: str, say: Say = lambda _: None) -> None:
    """Remove a drill's place.

    Raises:
        Unavailable: something of it could not be removed in time; it costs money until it is.
    """
    deadline = at.clock.now() + settings.close_timeout
    trouble = "it takes its time"
    while at.clock.now() < deadline:
        try:
            if at.drills.close(name):
                say("everything of the drill is removed")
                return
        except BbdcError as error:
            trouble = str(error)
        at.clock.sleep(settings.poll)
    raise Unavailable(f"drill {name} could not be removed: {trouble}", hint="`bbdc drill --clean` tries again")


def _ready(at: Ground, settings: DrillSettings, name: str, say: Say) -> Place:
    deadline, told = at.clock.now() + settings.ready_timeout, ""
    while at.clock.now() < deadline:
        try:
            place = at.drills.look(name)
        except Unavailable as error:
            place = Place(ready=False, detail=str(error))
        if place.ready:
            return place
        if place.problem:
            raise Unexpected(f"drill {name} failed: {place.problem}")
        if place.detail != told:
            say(place.detail)
            told = place.detail
        at.clock.sleep(settings.poll)
    raise Unavailable(f"drill {name}: not ready after {settings.ready_timeout:g} s: {told}")


def _check(at: Ground, settings: DrillSettings, found: BackupSet, place: Place) -> Iterator[Finding]:
    script = checks.script(place, sample=settings.sample, seed=found.id)
    deadline = at.clock.now() + settings.ready_timeout
    while True:
        try:
            result = at.shell.run(place.machine, script, timeout=settings.check_timeout)
            break
        except NotFound:  # its agent is not there yet: it has just booted
            if at.clock.now() >= deadline:
                raise
            at.clock.sleep(settings.poll)
    if result.code != 0:
        raise Unexpected(f"the checks on {place.machine} failed: {(result.errors or result.output).strip()[-500:]}")
    yield from _judge(_parsed(result.output), found)


def _parsed(output: str) -> dict[str, Any]:
    try:
        answer = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise Unexpected(f"the checks answered no JSON: {output.strip()[-200:]!r}") from error
    if not isinstance(answer, dict):
        raise Unexpected(f"the checks answered no JSON object: {output.strip()[-200:]!r}")
    return answer


def _judge(seen: dict[str, Any], found: BackupSet) -> Iterator[Finding]:
    rows, missing = int(seen["rows"]), list(seen["missing"])
    yield Finding("database_opens", bool(seen["database"]), f"{seen['projects']} projects, {seen['users']} users")
    fits = found.counts.allows(rows)
    told = f"{found.counts.repositories_before} before and {found.counts.repositories_after} after"
    yield Finding("row_counts", fits, f"{rows} repositories; Bitbucket told {told}")
    detail = f"no directory for {', '.join(missing)}" if missing else f"{rows} rows, {seen['directories']} directories"
    yield Finding("directories", not missing and rows > 0, detail)
    broken = list(seen["unreadable"])
    yield Finding(
        "references", not broken, f"unreadable: {', '.join(broken)}" if broken else f"{seen['references']} read"
    )
    bad = list(seen["fsck_failed"])
    sampled = f"{seen['sampled']} repositories"
    yield Finding("git_fsck", not bad and int(seen["sampled"]) > 0, f"failed: {', '.join(bad)}" if bad else sampled)


def refuse_to_drill(found: BackupSet) -> None:
    """Raise Refused for a set that a drill cannot say anything of."""
    if found.state != "complete":
        raise Refused("set_incomplete", f"set {found.id} is {found.state}: only complete sets are drilled")
    if not found.of(MemberKind.DISK) or not found.of(MemberKind.DATABASE):
        raise Refused("set_whole", f"set {found.id} has no disk or no database")
