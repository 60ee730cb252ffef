"""How to restore a set with nothing but the ``aws`` command: for the day on which this program cannot be run. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automation.core.backups.manifest import moment, to_json
from automation.core.backups.sets import BackupSet, Member, MemberKind

_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
_SUFFIX = "restored"


@dataclass(frozen=True, slots=True)
class HandStep:
    """One step."""

    what: str
    command: str = ""
    """A line for a POSIX shell; empty where the step is none for this machine."""


def arn(found: BackupSet, member: Member) -> str:
    """Return a member's ARN; empty for kinds that have none."""
    partition = next((name for start, name in _PARTITIONS.items() if found.region.startswith(start)), "aws")
    if member.snapshot.startswith("arn:"):
        return member.snapshot
    if member.kind is MemberKind.DISK:
        return f"arn:{partition}:ec2:{found.region}::snapshot/{member.snapshot}"
    if member.kind is MemberKind.DATABASE:
        return f"arn:{partition}:rds:{found.region}:{found.account}:snapshot:{member.snapshot}"
    return ""


def document(found: BackupSet) -> dict[str, Any]:
    """Return what ``bbdc backup export`` writes: the manifest, the members' ARNs, and the steps."""
    return {
        "manifest": to_json(found),
        "arns": {member.snapshot: arn(found, member) for member in found.members},
        "by_hand": [{"what": step.what, "command": step.command} for step in steps(found)],
    }


def steps(found: BackupSet) -> tuple[HandStep, ...]:
    """Return what to do, in order."""
    return tuple(_steps(found))


def _steps(found: BackupSet) -> Iterator[HandStep]:
    yield HandStep("Stop Bitbucket on all nodes; on each:", "systemctl stop bitbucket")
    for member in found.of(MemberKind.DISK):
        yield HandStep(f"Make a new {member.role or 'data'} volume beside {member.source}", _volume(found, member))
        device, instance = member.facts.get("device", "DEVICE"), member.facts.get("instance", "INSTANCE")
        detach = _aws(found, "ec2", "detach-volume", "--volume-id", member.source)
        yield HandStep(f"Detach the old volume {member.source}; keep it", detach)
        options = ("--volume-id", "NEW_VOLUME", "--instance-id", instance, "--device", device)
        yield HandStep("Attach the new volume in its place", _aws(found, "ec2", "attach-volume", *options))
    for member in found.of(MemberKind.DATABASE):
        yield HandStep(f"Restore the database beside {member.source}", _database(found, member))
    yield from _start(found)


def _start(found: BackupSet) -> Iterator[HandStep]:
    find = "find /srv/bitbucket-dc/shared/data/repositories -name '*.lock' -path '*.git*'"
    yield HandStep("On the file server: look for git's stale lock files, and remove them", find)
    yield HandStep(
        "Point the nodes at the new database: jdbc.url in shared/bitbucket.properties, or the stack's config"
    )
    if found.recover_to is not None or found.lock is None:
        yield HandStep("Add disaster.recovery=true to shared/bitbucket.properties: the first start checks integrity")
    yield HandStep("Start one node, wait for RUNNING at /status, then start the others", "systemctl start bitbucket")
    for member in found.of(MemberKind.SEARCH):
        yield HandStep(f"Restore the search snapshot {member.snapshot}, or let Bitbucket build its index anew")


def _volume(found: BackupSet, member: Member) -> str:
    facts = member.facts
    options = ["--snapshot-id", member.snapshot, "--availability-zone", member.zone or "ZONE"]
    for name in ("type", "iops", "throughput"):
        if facts.get(name):
            options += [f"--{'volume-type' if name == 'type' else name}", facts[name]]
    if member.encryption_key:
        options += ["--encrypted", "--kms-key-id", member.encryption_key]
    tags = f"ResourceType=volume,Tags=[{{Key=bitbucket-dc:cluster,Value={found.cluster}}}]"
    return _aws(found, "ec2", "create-volume", *options, "--tag-specifications", tags)


def _database(found: BackupSet, member: Member) -> str:
    target = f"{member.source}-{_SUFFIX}"
    if found.recover_to is None:
        options = ("--db-instance-identifier", target, "--db-snapshot-identifier", member.snapshot)
        return _aws(found, "rds", "restore-db-instance-from-db-snapshot", *options)
    options = ("--source-db-instance-identifier", member.source, "--target-db-instance-identifier", target)
    at = ("--restore-time", moment(found.recover_to) or "")
    return _aws(found, "rds", "restore-db-instance-to-point-in-time", *options, *at)


def _aws(found: BackupSet, *words: str) -> str:
    region = ("--region", found.region) if found.region else ()
    return shlex.join(("aws", *words, *region))
