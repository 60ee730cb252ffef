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
_CLUSTER = "cluster"
"""What a member's facts call a database that is an Aurora cluster."""


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
        kind = "cluster-snapshot" if member.facts.get("family") == _CLUSTER else "snapshot"
        return f"arn:{partition}:rds:{found.region}:{found.account}:{kind}:{member.snapshot}"
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
        what = f"Restore the database beside {member.source}, into its subnet group and behind its security group"
        yield HandStep(what, _database(found, member))
        if member.facts.get("family") == _CLUSTER:
            yield HandStep("Add an instance to the new cluster: aws rds create-db-instance, of the old one's class")
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
    # Without these two a restored database lands in the account's default network, out of the nodes' reach.
    place = ["--db-subnet-group-name", "SUBNET_GROUP", "--vpc-security-group-ids", "SECURITY_GROUP"]
    is_cluster = member.facts.get("family") == _CLUSTER
    if not is_cluster:
        place += ["--db-instance-class", member.facts["class"]] if member.facts.get("class") else []
        place += ["--multi-az"] if member.facts.get("multi_az") == "true" else []
    return _aws(found, "rds", *_restore(found, member, target, is_cluster=is_cluster), *place)


def _restore(found: BackupSet, member: Member, target: str, *, is_cluster: bool) -> tuple[str, ...]:
    if found.recover_to is not None:
        kind = "cluster" if is_cluster else "instance"
        names = (f"--source-db-{kind}-identifier", member.source)
        new = ("--db-cluster-identifier" if is_cluster else "--target-db-instance-identifier", target)
        at = ("--restore-to-time" if is_cluster else "--restore-time", moment(found.recover_to) or "")
        return (f"restore-db-{kind}-to-point-in-time", *names, *new, *at)
    if is_cluster:
        engine = ("--engine", member.facts.get("engine", "aurora-postgresql"))
        options = ("--db-cluster-identifier", target, "--snapshot-identifier", member.snapshot)
        return ("restore-db-cluster-from-snapshot", *options, *engine)
    options = ("--db-instance-identifier", target, "--db-snapshot-identifier", member.snapshot)
    return ("restore-db-instance-from-db-snapshot", *options)


def _aws(found: BackupSet, *words: str) -> str:
    region = ("--region", found.region) if found.region else ()
    return shlex.join(("aws", *words, *region))
