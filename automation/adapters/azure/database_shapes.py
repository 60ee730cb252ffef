"""From Azure's flexible servers and their backups, as JSON, to the core's values. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.disk_shapes import GIB, PLATFORM_KEY, seconds
from automation.adapters.azure.ids import plain
from automation.adapters.azure.points import Point
from automation.core.backups import labels
from automation.core.backups.manifest import moment
from automation.core.backups.sets import MemberKind, Snapshot, SnapshotState, Source
from automation.core.capabilities import AZURE

READY = "Ready"
BURSTABLE = "Burstable"
"""Tier whose servers take no on-demand backups."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Log:
    """How far a server's log reaches."""

    earliest: float | None
    """First moment that the server can be restored to; None before its first backup."""
    latest: float
    """Last one that is certain."""

    def holds(self, at: float) -> bool:
        """Tell whether a moment can be restored for certain."""
        return self.earliest is not None and self.earliest <= at <= self.latest


def log_of(server: Json, backups: Iterable[Json], now: float, lag: float) -> Log:
    """Return how far the log of a server reaches.

    Args:
        server: the server.
        backups: its backups; one that is complete holds everything before it.
        now: the time by Azure's clock.
        lag: seconds that the log may be behind.
    """
    properties = server.get("properties") or {}
    completed = [seconds((one.get("properties") or {}).get("completedTime")) for one in backups]
    latest = max([now - lag, *(at for at in completed if at is not None)])
    return Log(seconds((properties.get("backup") or {}).get("earliestRestoreDate")), latest)


def source(server: Json, log: Log) -> Source:
    """Read a server."""
    properties, sku = server.get("properties") or {}, server.get("sku") or {}
    state = str(properties.get("state") or "")
    backup = properties.get("backup") or {}
    facts = {
        "engine": "postgres",
        "engine_version": properties.get("version"),
        "class": sku.get("name"),
        "tier": sku.get("tier"),
        "host": properties.get("fullyQualifiedDomainName"),
        "high_availability": (properties.get("highAvailability") or {}).get("mode"),
        "retention_days": backup.get("backupRetentionDays"),
        "geo_redundant": backup.get("geoRedundantBackup"),
        "subnet": (properties.get("network") or {}).get("delegatedSubnetResourceId"),
        "private_dns_zone": (properties.get("network") or {}).get("privateDnsZoneArmResourceId"),
        "location": server.get("location"),
        "generation": tags.read(server).get(tags.GENERATION),
    }
    return Source(
        kind=MemberKind.DATABASE,
        id=plain(server["id"]),
        role="database",
        state=state,
        problem=problem(server),
        size=int((properties.get("storage") or {}).get("storageSizeGB") or 0) * GIB,
        zone=str(properties.get("availabilityZone") or ""),
        encryption_key=key_of(server),
        recoverable_until=log.latest if log.earliest is not None and log.earliest <= log.latest else None,
        by_time=AZURE.database_restores_by_time,
        facts={name: str(value) for name, value in facts.items() if value},
    )


def problem(server: Json) -> str:
    """Return why no moment of a server can be taken now; empty when one can."""
    state = str((server.get("properties") or {}).get("state") or "")
    return "" if state == READY else f"database_state: it is {state or 'in no state'}, not {READY}"


def key_of(server: Json) -> str:
    """Return the customer's key that a server is encrypted with, or the platform's."""
    encryption = (server.get("properties") or {}).get("dataEncryption") or {}
    return str(encryption.get("primaryKeyURI") or PLATFORM_KEY)


def snapshot(point: Point, server: Json | None, log: Log | None, now: float | None) -> Snapshot:
    """Read a set's point in the log of its server; None for a server that is gone."""
    broken = _broken(point, log)
    done = log is not None and log.holds(point.at) and not broken
    state = SnapshotState.FAILED if broken else SnapshotState.COMPLETED if done else SnapshotState.PENDING
    size = ((server or {}).get("properties") or {}).get("storage") or {}
    return Snapshot(
        kind=MemberKind.DATABASE,
        id=snapshot_id(point),
        source=point.server,
        state=state,
        # Its instant is in the future until Azure's clock has reached it: then it is fixed.
        at=point.at if now is not None and now >= point.at else None,
        percent=100 if done else 0,
        size=int(size.get("storageSizeGB") or 0) * GIB,
        encryption_key=key_of(server) if server else "",
        tags={**point.words, labels.SOURCE: point.server},
        problem=broken,
        region=str((server or {}).get("location") or ""),
    )


def snapshot_id(point: Point) -> str:
    """Return what a member is called that is a moment: the server and the moment."""
    return f"{point.server}@{moment(point.at)}"


def _broken(point: Point, log: Log | None) -> str:
    if log is None:
        return f"the server {point.server} is gone, and its log with it"
    if log.earliest is not None and log.earliest > point.at:
        return f"the server's log begins at {moment(log.earliest)}, after the set's moment {moment(point.at)}"
    return ""


def host(server: Mapping[str, Any]) -> str:
    """Return the name that clients connect to."""
    return str((server.get("properties") or {}).get("fullyQualifiedDomainName") or "")
