"""RDS snapshots: a copy of the database at one moment, ``creating`` until it is ``available``; copies of them.

Repairs in moto: a snapshot was ``available`` at once and held nothing, one of a database that is not available was
accepted, a copy did not care for the state of its source, and one that was still being made could be deleted.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.rds.exceptions import KMSKeyNotAccessibleFault, RDSClientError
from moto.rds.models import DBSnapshot, RDSBackend, rds_backends

from lab.aws.databases import key_of, name_of
from lab.aws.patches import Patches
from lab.aws.snapshots import thousandths, usable_key

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld


@dataclass(slots=True, eq=False)
class Begun:
    """A snapshot whose copy is still to be made."""

    database: Any
    snapshot: Any
    state: str | None = None


@dataclass(slots=True)
class DatabaseSnapshots:
    """The snapshots on their way.

    Attributes:
        world: where they live.
        waiting: those whose copy is still to be made.
    """

    world: AwsWorld
    waiting: list[Begun] = field(default_factory=list)

    def begin(self, database: Any, snapshot: Any) -> None:
        """Let a snapshot begin: the copy is made now, or after a while."""
        timings, faults = self.world.timings, self.world.faults
        snapshot.lab_taken, snapshot.original_snapshot_create_time = None, None
        begun = Begun(database, snapshot)
        self.waiting.append(begun)
        then = "failed" if faults.snapshot_fails("database") else "available"
        seconds = max(timings.database_snapshot, timings.database_snapshot_begins) + faults.snapshot_delay()
        self.world.progress.begin(
            begun, timings.database_snapshot_begins, "waiting", None, attribute="state", after=lambda: self._take(begun)
        )
        self.world.progress.begin(snapshot, seconds, "creating", then, after=lambda: self.settle(snapshot))
        self.world.emit("database-snapshot", snapshot=snapshot.db_snapshot_identifier)

    def take_now(self, database: Any) -> None:
        """Make the copies that are still to be made of a database: it goes away."""
        for begun in [one for one in self.waiting if one.database is database]:
            self._take(begun)

    def _take(self, begun: Begun) -> None:
        if begun not in self.waiting:
            return
        self.waiting.remove(begun)
        snapshot = begun.snapshot
        if rds_backends[snapshot.account_id][snapshot.region].database_snapshots.get(
            snapshot.db_snapshot_identifier
        ) is not snapshot:  # fmt: skip
            return  # deleted before it had begun
        try:
            self.world.storage.snapshot_database(name_of(begun.database), key_of(snapshot))
        except (OSError, sqlite3.Error):
            snapshot.status = "failed"
            raise
        snapshot.lab_taken = snapshot.original_snapshot_create_time = thousandths(self.world.clock.now())

    def settle(self, snapshot: Any) -> None:
        """Remove what a failed snapshot holds."""
        if snapshot.status == "failed":
            self.world.storage.delete_database_snapshot(key_of(snapshot))


def install(world: AwsWorld, patches: Patches) -> None:
    """Let database snapshots hold data and take their time."""
    patches.put(DBSnapshot, "percent_progress", property(world.progress.percent))
    patches.put(DBSnapshot, "snapshot_create_time", property(lambda self: getattr(self, "lab_taken", self.created)))
    _taking(world, patches)
    _copying(world, patches)

    @patches.wrap(RDSBackend, "get_db_snapshot")
    def get(original: Any, self: Any, identifier: str) -> Any:
        return _shared(self, identifier) or original(self, identifier)

    @patches.wrap(RDSBackend, "delete_db_snapshot")
    def delete(original: Any, self: Any, db_snapshot_identifier: str) -> Any:
        found = self.database_snapshots.get(db_snapshot_identifier)
        if found is not None and found.status == "creating" and found.snapshot_type == "manual":
            message = "Cannot delete the snapshot because it is not currently in the available or failed state."
            raise RDSClientError("InvalidDBSnapshotState", message)
        snapshot = original(self, db_snapshot_identifier)
        world.storage.delete_database_snapshot(key_of(snapshot))
        return snapshot


def _taking(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(RDSBackend, "create_db_snapshot")
    def create(
        original: Any, self: Any, db_instance_identifier: str, db_snapshot_identifier: str, *args: Any, **options: Any
    ) -> Any:
        database = self.databases.get(db_instance_identifier)
        manual = "automated" not in (*args, options.get("snapshot_type"))
        known = db_snapshot_identifier in self.database_snapshots
        if manual and database is not None and not known and database.status != "available":
            message = (
                f"Cannot create a snapshot because the database instance {db_instance_identifier} "
                "is not currently in the available state."
            )
            raise RDSClientError("InvalidDBInstanceState", message)
        snapshot = original(self, db_instance_identifier, db_snapshot_identifier, *args, **options)
        _describe(snapshot, database)
        if database.db_cluster_identifier is None:
            world.database_snapshots.begin(database, snapshot)
        if manual:
            world.progress.begin(database, world.timings.backing_up, "backing-up", "available")
        return snapshot


def _describe(snapshot: Any, database: Any) -> None:
    """Add what moto leaves out."""
    snapshot.availability_zone = database.availability_zone
    snapshot.storage_type, snapshot.iops = database.storage_type, database.iops
    snapshot.license_model, snapshot.option_group_name = database.license_model, database.option_group_name
    snapshot.snapshot_target = "region"


def _shared(backend: Any, arn: str) -> Any | None:
    """Return a snapshot of another account that this one may copy; None when the ARN names none."""
    parts = arn.split(":", 6)
    if len(parts) < 7 or parts[4] == backend.account_id or parts[4] not in rds_backends:
        return None
    found = rds_backends[parts[4]][parts[3]].database_snapshots.get(parts[6])
    return found if found is not None and backend.account_id in found.attributes["restore"] else None


def _copying(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(RDSBackend, "copy_db_snapshot")
    def copy(
        original: Any,
        self: Any,
        source_db_snapshot_identifier: str,
        target_db_snapshot_identifier: str,
        kms_key_id: str | None = None,
        **options: Any,
    ) -> Any:
        source = self.get_db_snapshot(source_db_snapshot_identifier)
        if source.status != "available":
            message = f"The snapshot {source.db_snapshot_identifier} is not in the available state."
            raise RDSClientError("InvalidDBSnapshotState", message)
        if kms_key_id is not None and (usable_key(self, kms_key_id) is None or world.faults.key_denied()):
            raise KMSKeyNotAccessibleFault(kms_key_id)
        if source.encrypted and source.region != self.region_name and kms_key_id is None:
            message = "The KMS key must be specified when an encrypted snapshot is copied to another region."
            raise RDSClientError("InvalidParameterCombination", message)
        snapshot = original(
            self, source_db_snapshot_identifier, target_db_snapshot_identifier, kms_key_id=kms_key_id, **options
        )
        _describe(snapshot, source.database)
        snapshot.source_db_snapshot_identifier = source.db_snapshot_arn
        snapshot.source_region = source.region if source.region != self.region_name else None
        snapshot.lab_taken = thousandths(world.clock.now())
        world.storage.copy_database_snapshot(key_of(source), key_of(snapshot))
        seconds = world.timings.database_snapshot + world.faults.snapshot_delay()
        then = "failed" if world.faults.snapshot_fails("database") else "available"
        settle = world.database_snapshots.settle
        world.progress.begin(snapshot, seconds, "creating", then, after=lambda: settle(snapshot))
        return snapshot
