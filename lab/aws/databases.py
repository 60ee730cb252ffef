"""RDS instances: states on the way, restores from snapshots and from a moment, and the files that hold their rows.

Repairs in moto: an instance was ``available`` at once, held nothing, could be renamed to a name that is taken and
deleted without a word about a final snapshot; a restore took any snapshot and any time; a restored instance was
protected from deletion when its source was.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.rds.exceptions import DBInstanceAlreadyExists, RDSClientError
from moto.rds.models import DBInstance, RDSBackend

from lab.aws.endpoints import storage_name
from lab.aws.patches import Patches
from lab.aws.snapshots import thousandths

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

Fill = Callable[[str], None]
REACHABLE = frozenset({"available", "backing-up", "modifying", "storage-optimization"})
"""States in which a database answers."""


@dataclass(slots=True)
class DatabaseInstances:
    """What instances need from one call to the next.

    Attributes:
        world: where they live.
        fill: gives the next instance its content; None for a new database.
    """

    world: AwsWorld
    fill: Fill | None = None

    @contextmanager
    def filled(self, fill: Fill) -> Iterator[None]:
        """Let the instance that is made inside get its content this way."""
        self.fill = fill
        try:
            yield
        finally:
            self.fill = None

    def keep_busy(self, state: str, seconds: float) -> int:
        """Let every available instance be in another state for a while; return how many there are."""
        found = [one for one in self.world.backend("rds").databases.values() if one.status == "available"]
        for database in found:
            self.world.progress.begin(database, seconds, state, "available")
        return len(found)

    def reach(self, host: str, user: str, password: str) -> str:
        """Return the name of the database behind an endpoint.

        Raises:
            ConnectionError: nothing answers there.
            PermissionError: user or password are wrong.
        """
        for database in self.world.backend("rds").databases.values():
            if database.address == host and database.status in REACHABLE:
                known = database._master_user_password  # noqa: SLF001 - moto tells it to nobody
                if (user, password) != (database.master_username, known):
                    raise PermissionError(f'password authentication failed for user "{user}"')
                return name_of(database)
        raise ConnectionError(f'could not translate host name "{host}" to address: Name or service not known')


def install(world: AwsWorld, patches: Patches) -> None:
    """Give instances states, refusals and content."""
    _birth(world, patches)
    _changes(world, patches)
    _end(world, patches)
    _restores(world, patches)

    def latest(self: Any) -> dt.datetime | None:
        found = world.clock.now() - world.timings.point_in_time_lag
        restorable = self.backup_retention_period and found > earliest(self)
        return thousandths(found) if restorable else None

    patches.put(DBInstance, "latest_restorable_time", property(latest))


def earliest(database: Any) -> float:
    """Return the first moment that an instance can be restored to."""
    return float(database.lab_created)


def name_of(database: Any) -> str:
    """Return what storage calls an instance's database."""
    return storage_name(database.db_instance_identifier, database.region)


def _birth(world: AwsWorld, patches: Patches) -> None:
    patches.put(DBInstance, "save_automated_backup", lambda _self: None)  # moto's comes before there is anything

    @patches.wrap(RDSBackend, "create_db_instance")
    def create(original: Any, self: Any, db_kwargs: Any) -> Any:
        fill = world.databases.fill or world.storage.create_database
        database = original(self, db_kwargs)
        database.lab_created = world.clock.now()
        database.dbi_resource_id = f"db-{secrets.token_hex(13).upper()}"
        if database.db_cluster_identifier is None:
            try:
                fill(name_of(database))
            except BaseException:
                del self.databases[database.db_instance_identifier]
                raise

        def ready() -> None:
            if self.databases.get(database.db_instance_identifier) is database and database.backup_retention_period:
                _automated(self, database)

        world.progress.begin(database, world.timings.database, "creating", "available", after=ready)
        return database


def _automated(backend: Any, database: Any) -> None:
    """Take the first automated snapshot; a name is good for one in a minute."""
    minute = dt.datetime.fromtimestamp(database.lab_created, dt.UTC).strftime("%Y-%m-%d-%H-%M")
    name = f"rds:{database.db_instance_identifier}-{minute}"
    if name not in backend.database_snapshots:
        backend.create_auto_snapshot(database.db_instance_identifier, name)


def _changes(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(RDSBackend, "modify_db_instance")
    def modify(original: Any, self: Any, db_instance_identifier: str, db_kwargs: Any) -> Any:
        new = db_kwargs.get("new_db_instance_identifier")
        if not new or new.lower() == db_instance_identifier.lower():
            return original(self, db_instance_identifier, db_kwargs)
        if new in self.databases:
            raise DBInstanceAlreadyExists
        old = name_of(self.describe_db_instances(db_instance_identifier)[0])
        database = original(self, db_instance_identifier, db_kwargs)
        if database.db_cluster_identifier is None:
            world.storage.rename_database(old, name_of(database))
        return database


def _end(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(RDSBackend, "delete_db_instance")
    def delete(original: Any, self: Any, db_instance_identifier: str, *args: Any, **options: Any) -> Any:
        final, skip = options.get("final_db_snapshot_identifier"), options.get("skip_final_snapshot")
        found = self.databases.get(db_instance_identifier)
        if found is not None and found.db_cluster_identifier is None and not final and not skip:
            message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
            raise RDSClientError("InvalidParameterCombination", message)
        database = original(self, db_instance_identifier, *args, **options)
        if database.db_cluster_identifier is None:
            world.database_snapshots.take_now(database)
            world.storage.delete_database(name_of(database))
        return database


def _restores(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(RDSBackend, "restore_db_instance_from_db_snapshot")
    def restore(original: Any, self: Any, from_snapshot_id: str, overrides: Any) -> Any:
        snapshot = self.get_db_snapshot(from_snapshot_id)
        if snapshot.status != "available":
            message = f"The snapshot {snapshot.db_snapshot_identifier} is not in the available state."
            raise RDSClientError("InvalidDBSnapshotState", message)
        key = key_of(snapshot)
        with world.databases.filled(lambda name: world.storage.restore_database(key, name)):
            database = original(self, from_snapshot_id, overrides)
        database.deletion_protection = bool(overrides.get("deletion_protection"))
        return database

    @patches.wrap(RDSBackend, "restore_db_instance_to_point_in_time")
    def restore_at(original: Any, self: Any, source: str, target: str, overrides: Any) -> Any:
        found = self.describe_db_instances(source)[0]
        when = _moment(found, overrides)
        if target in self.databases:
            raise DBInstanceAlreadyExists
        name = name_of(found)
        with world.databases.filled(lambda new: world.storage.restore_database_at(name, new, when)):
            database = original(self, source, target, overrides)
        database.deletion_protection = bool(overrides.get("deletion_protection"))
        return database


def _moment(source: Any, wanted: Any) -> float:
    """Return the time asked for, in seconds since the epoch. Raises what the service says when there is no such."""
    time, newest = wanted.get("restore_time"), wanted.get("use_latest_restorable_time")
    if bool(time) == bool(newest):
        message = "Specify exactly one of RestoreTime and UseLatestRestorableTime."
        raise RDSClientError("InvalidParameterCombination", message)
    if not source.backup_retention_period:
        message = f"Point in time restore is not enabled for {source.db_instance_identifier}: it keeps no backups."
        raise RDSClientError("PointInTimeRestoreNotEnabled", message)
    latest = source.latest_restorable_time
    if newest and latest is not None:
        return float(latest.timestamp())
    asked = _seconds(time) if time else 0.0
    if latest is None or not earliest(source) <= asked <= latest.timestamp():
        message = f"The specified instance cannot be restored to this time; latest is {latest}."
        raise RDSClientError("InvalidRestoreFault", message)
    return asked


def _seconds(time: Any) -> float:
    found = dt.datetime.fromisoformat(time) if isinstance(time, str) else time
    return float((found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp())


def key_of(snapshot: Any) -> str:
    """Return what storage calls a snapshot of a database."""
    return f"{snapshot.region}/{snapshot.db_snapshot_identifier}"
