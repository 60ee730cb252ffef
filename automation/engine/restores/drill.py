"""Prove that a set can be restored: into isolation, with real checks, measured, and removed again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from automation.core.backups.sets import BackupSet, Examination
from automation.core.restores.drills import DrillSettings, Seen, examine, judge, lying_here
from automation.core.restores.generations import ORIGINAL, DataState
from automation.core.restores.plan import Circumstances, usable_copy
from automation.engine.restores import checks
from automation.ports.clock import Clock
from automation.ports.drills import Drills, Place
from automation.ports.errors import BbdcError, NotFound, Refused, Unavailable, Unexpected
from automation.ports.shell import Result, Shell
from automation.ports.vaults import Manifests

Say = Callable[[str], None]
_COUNTS = ("rows", "projects", "users", "directories", "references", "sampled")
_NAMES = ("missing", "unreadable", "fsck_failed")


@dataclass(frozen=True, slots=True)
class Ground:
    """One estate's ports for drills."""

    clock: Clock
    drills: Drills
    shell: Shell
    manifests: Manifests


def may_drill(at: Ground, set_id: str) -> BackupSet:
    """Return a set as it lies here, when a drill can say something of it.

    Raises:
        NotFound: there is no manifest of such a set.
        Refused: a rule says no; its name is the rule's.
    """
    found = at.manifests.read(set_id)
    account, region = at.manifests.account()
    copy = usable_copy(found, Circumstances(found.cluster, region, account, "", DataState(ORIGINAL)))
    refused = next((rule for rule in judge(found, account, region, copy) if not rule.passed), None)
    if refused is not None:
        raise Refused(refused.name, refused.detail, hint="nothing was made")
    return lying_here(found, copy)


def drill(at: Ground, settings: DrillSettings, set_id: str, *, by: str = "", say: Say = lambda _: None) -> BackupSet:
    """Restore a set into isolation, check it, write the result into its manifest and remove everything.

    Whatever happens on the way, the place is removed; what cannot be is told, and found again by ``leftovers``.

    Raises:
        NotFound, Refused: as ``may_drill``.
        BbdcError: the drill could not be carried out; the set is then not called good or bad.
    """
    found = may_drill(at, set_id)
    began = at.clock.now()
    name = f"{found.id}-{int(began) % 100_000:05}"
    try:
        at.drills.open(name, found)
        place = _ready(at, settings, name, say)
        usable = at.clock.now() - began
        say(f"disks and database can be used after {usable:.0f} s")
        findings = tuple(examine(_check(at, settings, found, place), found))
        result = Examination(at.clock.now(), all(f.passed for f in findings), findings, usable, by)
        drilled = replace(at.manifests.read(found.id), drilled=result)
        at.manifests.write(drilled)  # before the place is removed: trouble with that must not lose the result
    finally:
        clean(at, settings, name, say)
    return drilled


def clean(at: Ground, settings: DrillSettings, name: str, say: Say = lambda _: None) -> None:
    """Remove a drill's place.

    Raises:
        Unavailable: something of it could not be removed in time; it costs money until it is.
    """
    say(f"removing everything of drill {name}")
    deadline = at.clock.now() + settings.close_timeout
    trouble = "it takes its time"
    while at.clock.now() < deadline:
        try:
            if at.drills.close(name):
                say("everything of the drill is removed")
                return
            trouble = "it takes its time"
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


def _check(at: Ground, settings: DrillSettings, found: BackupSet, place: Place) -> Seen:
    script = checks.script(place, sample=settings.sample, seed=found.id)
    result = _run(at, settings, place.machine, script)
    if result.code != 0:
        raise Unexpected(f"the checks on {place.machine} failed: {(result.errors or result.output).strip()[-500:]}")
    return _parsed(result.output)


def _run(at: Ground, settings: DrillSettings, machine: str, script: str) -> Result:
    deadline = at.clock.now() + settings.ready_timeout
    while True:
        try:
            return at.shell.run(machine, script, timeout=settings.check_timeout)
        except NotFound:  # its agent is not there yet: it has just booted
            if at.clock.now() >= deadline:
                raise
            at.clock.sleep(settings.poll)


def _parsed(output: str) -> Seen:
    """Read the last line of the checks' output.

    Raises:
        Unexpected: it is something else.
    """
    try:
        answer = json.loads(output.strip().splitlines()[-1])
        counts = {name: int(answer[name]) for name in _COUNTS}
        names = {name: tuple(str(each) for each in answer[name]) for name in _NAMES}
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise Unexpected(f"the checks did not answer as they should: {output.strip()[-200:]!r}") from error
    return Seen(**counts, **names)  # type: ignore[arg-type]  # numbers and names by their own fields
