"""How to restore a set with nothing but the ``az`` command: for the day on which this program cannot be run. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automation.adapters.azure.ids import group_of, name_of, part
from automation.core.backups.manifest import moment, to_json
from automation.core.backups.sets import BackupSet, Member, MemberKind

PROVISIONED = {"PremiumV2_LRS", "UltraSSD_LRS"}
"""Kinds of disks whose operations and throughput are bought apart from their size."""
_SUFFIX = "restored"
_REPOSITORIES = "/srv/bitbucket-dc/shared/data/repositories"


@dataclass(frozen=True, slots=True)
class HandStep:
    """One step."""

    what: str
    command: str = ""
    """A line for a POSIX shell; empty where the step is none for this machine."""


def is_ours(found: BackupSet) -> bool:
    """Tell whether a set lies on Azure: its members' sources are ids of Azure resources."""
    return any(member.source.startswith("/subscriptions/") for member in found.members)


def document(found: BackupSet) -> dict[str, Any]:
    """Return what ``bbdc backup export`` writes: the manifest, the members' ids, and the steps."""
    return {
        "manifest": to_json(found),
        "ids": {member.snapshot: member.source for member in found.members},
        "by_hand": [{"what": step.what, "command": step.command} for step in steps(found)],
    }


def steps(found: BackupSet) -> tuple[HandStep, ...]:
    """Return what to do, in order."""
    return tuple(_steps(found))


def _steps(found: BackupSet) -> Iterator[HandStep]:
    yield HandStep("Stop Bitbucket on all nodes; on each:", "systemctl stop bitbucket")
    for member in found.of(MemberKind.DISK):
        yield from _disk(found, member)
    for member in found.of(MemberKind.DATABASE):
        yield HandStep(
            f"Restore the database beside {name_of(member.source)}, to the set's moment", _database(found, member)
        )
        yield HandStep("Let the new server have the old one's network, parameters and high availability")
    find = f"find {_REPOSITORIES} -name '*.lock' -path '*.git*'"
    yield HandStep("On the file server: look for git's stale lock files, and remove them", find)
    yield HandStep(
        "Point the nodes at the new database: jdbc.url in shared/bitbucket.properties, or the stack's config"
    )
    if found.lock is None:
        yield HandStep("Add disaster.recovery=true to shared/bitbucket.properties: the first start checks integrity")
    yield HandStep("Start one node, wait for RUNNING at /status, then start the others", "systemctl start bitbucket")
    for member in found.of(MemberKind.SEARCH):
        yield HandStep(f"Restore the search snapshot {member.snapshot}, or let Bitbucket build its index anew")


def _disk(found: BackupSet, member: Member) -> Iterator[HandStep]:
    old, group = name_of(member.source), group_of(member.source)
    new = f"{old}-{_SUFFIX}"
    machine = name_of(member.facts.get("instance", "MACHINE"))
    options = ["--resource-group", group, "--name", new, "--source", member.snapshot]
    options += ["--sku", member.facts["type"]] if member.facts.get("type") else []
    options += ["--zone", member.zone] if member.zone.isdigit() else []
    if member.facts.get("type") in PROVISIONED:
        # A disk of these kinds would otherwise have the least of both, however large it is.
        for name, fact in (("--disk-iops-read-write", "iops"), ("--disk-mbps-read-write", "throughput")):
            options += [name, member.facts[fact]] if member.facts.get(fact) else []
    if member.encryption_key.startswith("/"):
        options += ["--disk-encryption-set", member.encryption_key]
    options += ["--tags", f"bitbucket-dc:cluster={found.cluster}"]
    yield HandStep(f"Make a new {member.role or 'data'} disk beside {old}", _az(member, "disk", "create", *options))
    there = ("--resource-group", group, "--vm-name", machine)
    yield HandStep(f"Detach the old disk {old}; keep it", _az(member, "vm", "disk", "detach", *there, "--name", old))
    attach = ("vm", "disk", "attach", *there, "--name", new, "--lun", member.facts.get("lun", "LUN"))
    yield HandStep("Attach the new disk in its place", _az(member, *attach))


def _database(found: BackupSet, member: Member) -> str:
    at = found.recover_to if found.recover_to is not None else member.at
    facts = member.facts
    options = [
        "--resource-group", group_of(member.source),
        "--name", f"{name_of(member.source)}-{_SUFFIX}",
        "--source-server", member.source,
        "--restore-time", moment(at) or "MOMENT",
    ]  # fmt: skip
    for name, fact in (("--subnet", "subnet"), ("--private-dns-zone", "private_dns_zone")):
        options += [name, facts[fact]] if facts.get(fact) else []
    return _az(member, "postgres", "flexible-server", "restore", *options)


def _az(member: Member, *words: str) -> str:
    return shlex.join(("az", *words, "--subscription", part(member.source, "subscriptions")))
