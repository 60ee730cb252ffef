"""RDS instances and Aurora clusters: which calls each family has, and from their answers to the core's values. No I/O.

The two families say the same things in different words; here is the list of words, so that nothing else knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from automation.adapters.aws import tags
from automation.adapters.aws.snapshots import GIB
from automation.core.backups import labels
from automation.core.backups.sets import MemberKind, Snapshot, SnapshotState, Source

Json = dict[str, Any]
_FAILED = re.compile(r"failed|incompatible|inaccessible|deleting", re.IGNORECASE)
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Family:
    """The words of one family of databases."""

    name: str
    describe: str
    listed: str
    id: str
    snapshot_describe: str
    snapshots_listed: str
    snapshot_id: str
    snapshot_arn: str
    create: str
    created: str
    delete: str
    copy: str
    share: str


INSTANCES = Family(
    name="instance",
    describe="describe_db_instances",
    listed="DBInstances",
    id="DBInstanceIdentifier",
    snapshot_describe="describe_db_snapshots",
    snapshots_listed="DBSnapshots",
    snapshot_id="DBSnapshotIdentifier",
    snapshot_arn="DBSnapshotArn",
    create="create_db_snapshot",
    created="DBSnapshot",
    delete="delete_db_snapshot",
    copy="copy_db_snapshot",
    share="modify_db_snapshot_attribute",
)
CLUSTERS = Family(
    name="cluster",
    describe="describe_db_clusters",
    listed="DBClusters",
    id="DBClusterIdentifier",
    snapshot_describe="describe_db_cluster_snapshots",
    snapshots_listed="DBClusterSnapshots",
    snapshot_id="DBClusterSnapshotIdentifier",
    snapshot_arn="DBClusterSnapshotArn",
    create="create_db_cluster_snapshot",
    created="DBClusterSnapshot",
    delete="delete_db_cluster_snapshot",
    copy="copy_db_cluster_snapshot",
    share="modify_db_cluster_snapshot_attribute",
)


def host(found: Json) -> str:
    """Return the name that clients connect to; empty while there is none."""
    endpoint = found.get("Endpoint")
    return str(endpoint.get("Address") or "") if isinstance(endpoint, dict) else str(endpoint or "")


def is_own(found: Json, cluster: str) -> bool:
    """Tell whether an estate's tag is on it, and it is neither a replica nor one machine of an Aurora cluster."""
    if found.get("ReadReplicaSourceDBInstanceIdentifier") or found.get("ReplicationSourceIdentifier"):
        return False
    return tags.read(found.get("TagList")).get(tags.CLUSTER) == cluster


def source(found: Json, family: Family) -> Source:
    """Read an instance or a cluster."""
    state = str(found.get("DBInstanceStatus") or found.get("Status") or "")
    until = found.get("LatestRestorableTime") if found.get("BackupRetentionPeriod") else None
    facts = {
        "family": family.name,
        "engine": found.get("Engine"),
        "engine_version": found.get("EngineVersion"),
        "class": found.get("DBInstanceClass"),
        "host": host(found),
        "multi_az": str(found.get("MultiAZ") or False).lower(),
        "generation": tags.read(found.get("TagList")).get(tags.GENERATION),
    }
    return Source(
        kind=MemberKind.DATABASE,
        id=str(found[family.id]),
        role="database",
        state=state,
        problem="" if state == "available" else f"database_state: it is {state or 'in no state'}, not available",
        size=int(found.get("AllocatedStorage") or 0) * GIB,
        zone=str(found.get("AvailabilityZone") or ""),
        encryption_key=str(found.get("KmsKeyId") or "") if found.get("StorageEncrypted") else "",
        recoverable_until=until.timestamp() if until else None,
        facts={name: str(value) for name, value in facts.items() if value},
    )


def snapshot(found: Json, family: Family, region: str) -> Snapshot:
    """Read a snapshot; a copy holds the instant of its original."""
    status, words = str(found.get("Status") or ""), tags.words(found.get("TagList"))
    taken = found.get("OriginalSnapshotCreateTime") or found.get("SnapshotCreateTime")
    failed = SnapshotState.FAILED if _FAILED.search(status) else SnapshotState.PENDING
    state = SnapshotState.COMPLETED if status == "available" else failed
    encrypted = found.get("Encrypted") or found.get("StorageEncrypted")
    return Snapshot(
        kind=MemberKind.DATABASE,
        id=str(found[family.snapshot_id]),
        source=words.get(labels.SOURCE) or str(found.get(family.id) or ""),
        state=state,
        at=taken.timestamp() if taken else None,
        percent=100 if state is SnapshotState.COMPLETED else int(found.get("PercentProgress") or 0),
        size=int(found.get("AllocatedStorage") or 0) * GIB,
        encryption_key=str(found.get("KmsKeyId") or "") if encrypted else "",
        tags=words,
        problem=status if state is SnapshotState.FAILED else "",
        region=region,
    )


def identifier(cluster: str, set_id: str, *, copy: bool = False) -> str:
    """Return a set's snapshot identifier: the same for every try, so that no set ever has two.

    RDS takes letters, digits and single hyphens, begins with a letter and keeps small letters only.
    """
    plain = f"{cluster}-{set_id}{'-copy' if copy else ''}".lower()
    return re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", f"bbdc-{plain}"))[:_LONGEST].strip("-")
