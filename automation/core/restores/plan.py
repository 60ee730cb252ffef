"""What a set becomes when it is restored, and every reason why it must not be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from automation.core.backups.sets import BackupSet, Copy, Counts, Finding, Member, MemberKind, Mode, SetState
from automation.core.restores.generations import DataState, Generation, is_name
from automation.core.versions import refuse_upgrade, same_version


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What one restore sets out to do; written before the first act and never changed."""

    cluster: str
    target: str
    """Generation that shall be active."""
    previous: str
    """Generation that is active now: the way back."""
    set_id: str = ""
    """Set that the target is made from; empty for the way back to data that is there already."""
    generation: Generation | None = None
    """What has to be declared; None when it is there already."""
    counts: Counts = field(default_factory=Counts)
    mode: Mode = Mode.LOCKED
    started: float = 0.0
    by: str = ""
    suspend: frozenset[str] = frozenset()
    """Scaling processes that this restore switches off and on again; those already off stay off."""
    launch: frozenset[str] = frozenset()
    """Those of them that make machines: on again as soon as the model is the new one."""
    prepare_only: bool = False
    """Make the data beside the old, and leave the swap for another day."""
    undo: bool = False
    """It takes back the restore before it."""
    nodes: int = 0
    """How many machines the group shall have at the end: as many as it had."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where the restore would happen."""

    cluster: str
    region: str
    account: str
    version: str
    """Bitbucket version that new nodes install; empty when nothing tells."""
    data: DataState


def generation_of(found: BackupSet, name: str, copy: Copy | None = None) -> Generation:
    """Return the generation that ``found`` becomes: its disks, and its database at the instant of the disks.

    Args:
        found: a set.
        name: what the generation shall be called.
        copy: the copy to restore from, when the set itself lies elsewhere.
    """

    def id_of(member: Member) -> str:
        return copy.members[member.snapshot] if copy else member.snapshot

    home = tuple(id_of(member) for member in found.of(MemberKind.DISK) if member.role == "shared-home")
    database = found.of(MemberKind.DATABASE)
    to_instant = found.recover_to is not None and copy is None
    return Generation(
        name=name,
        home_snapshots=home,
        database_snapshot="" if to_instant else "".join(id_of(member) for member in database[:1]),
        database_source=database[0].source if to_instant and database else "",
        database_time=found.recover_to if to_instant else None,
    )


def usable_copy(found: BackupSet, here: Circumstances) -> Copy | None:
    """Return the copy that lies here; None when there is none, or the set itself lies here."""
    if (found.region, found.account) == (here.region, here.account):
        return None
    same = (c for c in found.copies if (c.region, c.account) == (here.region, here.account))
    return next((copy for copy in same if copy.state is SetState.COMPLETE), None)


def judge(found: BackupSet, name: str, here: Circumstances) -> tuple[Finding, ...]:
    """Hold every rule against the restore of ``found`` as ``name``."""
    return tuple(_rules(found, name, here))


def _rules(found: BackupSet, name: str, here: Circumstances) -> Iterator[Finding]:
    ours = found.cluster == here.cluster
    yield Finding(
        "same_cluster", ours, "" if ours else f"the set is of cluster {found.cluster}: `bbdc stage` builds from it"
    )
    complete = found.state is SetState.COMPLETE
    reason = f": {found.reason}" if found.reason else ""
    yield Finding("set_complete", complete, "" if complete else f"set {found.id} is {found.state}{reason}")
    fits = is_name(name)
    yield Finding("target_name", fits, "" if fits else f"{name!r}: lower-case letters, digits and hyphens, 20 at most")
    free = name not in here.data.names
    yield Finding(
        "target_free", free, "" if free else f"there is data called {name} already: restores go beside, never into"
    )
    yield from _place(found, here)
    yield from _content(found)
    yield _version(found, here.version)


def _place(found: BackupSet, here: Circumstances) -> Iterator[Finding]:
    there = (found.region, found.account)
    near = not any(there) or there == (here.region, here.account) or usable_copy(found, here) is not None
    away = f"the set lies in {found.region}, account {found.account}: `bbdc backup copy` it to {here.region} first"
    yield Finding("same_region", near, "" if near else away)


def _content(found: BackupSet) -> Iterator[Finding]:
    homes = [m for m in found.of(MemberKind.DISK) if m.role == "shared-home"]
    databases = found.of(MemberKind.DATABASE)
    whole = (len(homes), len(databases)) == (1, 1)
    held = f"it holds {len(homes)} home disks and {len(databases)} databases; the program declares one of each"
    yield Finding("set_whole", whole, "" if whole else held)
    mesh = [m.source for m in found.members if m.role == "mesh"]
    by_hand = f"the program declares no Mesh nodes: restore {', '.join(mesh)} by hand (`bbdc backup export` tells how)"
    yield Finding("no_mesh", not mesh, by_hand if mesh else "")


def _version(found: BackupSet, running: str) -> Finding:
    """The version that new nodes install must be able to open the set's database."""
    if not found.version or not running or same_version(found.version, running):
        return Finding("version_fits", passed=True)
    refusal = refuse_upgrade(found.version, running)
    detail = (
        f"the set is of Bitbucket {found.version}, nodes install {running}: set the stack's version to {found.version}"
    )
    return Finding("version_fits", refusal is None, "" if refusal is None else detail)
