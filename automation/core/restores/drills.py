"""Drills: which sets can be drilled, and what the checks on the restored data mean. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from automation.core.backups.sets import BackupSet, Copy, Finding, MemberKind, SetState


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
class Seen:
    """What the checks saw on the restored disks and in the restored database."""

    rows: int
    """Repositories in the database."""
    projects: int
    users: int
    directories: int
    """Repositories' directories on the disk."""
    references: int
    sampled: int
    """Repositories on which ``git fsck`` ran."""
    missing: tuple[str, ...] = ()
    """Ids of repositories with a row and no directory; the first few."""
    unreadable: tuple[str, ...] = ()
    """Ids of repositories whose references cannot be read."""
    fsck_failed: tuple[str, ...] = ()


def lying_here(found: BackupSet, copy: Copy | None) -> BackupSet:
    """Return the set as it lies here: with its copy's ids where it is the copy that does."""
    if copy is None:
        return found
    members = tuple(replace(member, snapshot=copy.members[member.snapshot]) for member in found.members)
    return replace(found, members=members, recover_to=None, region=copy.region, account=copy.account)


def judge(found: BackupSet, account: str, region: str, copy: Copy | None) -> tuple[Finding, ...]:
    """Hold every rule against a drill of ``found`` in this account and region."""
    complete, whole = found.state is SetState.COMPLETE, len(found.of(MemberKind.DATABASE)) == 1
    homes = [member for member in found.of(MemberKind.DISK) if member.role == "shared-home"]
    near = copy is not None or (found.region, found.account) in {(region, account), ("", "")}
    away = f"the set lies in {found.region}, account {found.account}: `bbdc backup copy` it to {region} first"
    return (
        Finding("set_complete", complete, "" if complete else f"set {found.id} is {found.state}"),
        Finding("set_whole", whole and bool(homes), "" if whole and homes else "it has no home disk or no database"),
        Finding("same_region", near, "" if near else away),
    )


def examine(seen: Seen, found: BackupSet) -> Iterator[Finding]:
    """Say what the checks mean for the set, rule by rule."""
    yield Finding("database_opens", passed=True, detail=f"{seen.projects} projects, {seen.users} users")
    before, after = found.counts.repositories_before, found.counts.repositories_after
    told = f"Bitbucket told {before} before and {after} after" if before is not None else "Bitbucket told no number"
    yield Finding("row_counts", found.counts.allows(seen.rows), f"{seen.rows} repositories; {told}")
    # No repository at all is right only for a Bitbucket that said so.
    some = seen.rows > 0 or before is not None
    absent = f"no directory for {', '.join(seen.missing)}"
    there = f"{seen.rows} rows, {seen.directories} directories"
    yield Finding("directories", some and not seen.missing, absent if seen.missing else there)
    unreadable = f"unreadable: {', '.join(seen.unreadable)}"
    yield Finding("references", not seen.unreadable, unreadable if seen.unreadable else f"{seen.references} read")
    looked, failed = seen.sampled > 0 or seen.rows == 0, f"failed: {', '.join(seen.fsck_failed)}"
    sampled = f"{seen.sampled} repositories"
    yield Finding("git_fsck", looked and not seen.fsck_failed, failed if seen.fsck_failed else sampled)
