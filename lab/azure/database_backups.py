"""On-demand backups of flexible servers. What they hold is restored through the moment at which they were taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lab.azure import databases, errors
from lab.azure.errors import ArmError
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json
from lab.azure.operations import Steps, iso
from lab.azure.resources import Resource

BACKUP = "Microsoft.DBforPostgreSQL/flexibleServers/backups"
ON_DEMAND = "Customer On-Demand"
AT_MOST = 7
"""On-demand backups that a server may have."""


@dataclass(slots=True)
class Backups(Kind):
    """Backups of a server."""

    versions: ClassVar[tuple[str, str]] = databases.VERSIONS
    synchronous: ClassVar[bool] = False

    def accept(self, change: Change) -> Json:
        """Check the server and the number of backups."""
        server = self.world.resources.get(change.target.owner())
        if change.old is not None:
            raise errors.conflict(f"Backup {change.old.name} already exists.", "BackupAlreadyExists")
        if server.properties.get("state") == "Stopped":
            raise databases.not_ready(server)
        if server.own is None or server.own.backing_up or server.properties.get("state") != "Ready":
            raise databases.is_busy(server)
        if len(self.world.resources.below(f"{server.id}/backups")) >= AT_MOST:
            message = f"A server may have {AT_MOST} on-demand backups."
            raise errors.invalid(message, "MaximumOnDemandBackupsReached")
        return {"properties": {"backupType": ON_DEMAND, "source": "Customer Initiated"}}

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - it is never changed
        """Copy the server's rows as they are now."""
        server = self.world.resources.get(resource.target.owner())
        server.own.backing_up = True
        try:
            self.world.storage.snapshot_database(server.name, _key(resource))
            taken = self.world.clock.now()
            yield self.world.after(self.world.timings.backup + self.world.faults.snapshot_delay())
        finally:
            server.own.backing_up = False
        if self.world.faults.snapshot_fails("database"):
            raise ArmError(500, "InternalServerError", "An unexpected error occurred while processing the request.")
        resource.properties["completedTime"] = iso(taken)
        self.world.emit("backup", database=server.name, backup=resource.name)
        return None

    def failed(self, resource: Resource) -> None:
        """A backup that failed is not there."""
        self.world.storage.delete_database_snapshot(_key(resource))
        self.world.resources.remove(resource)

    def remove(self, resource: Resource) -> Steps:
        """Remove what it held."""
        yield self.world.after(self.world.timings.database)
        self.world.storage.delete_database_snapshot(_key(resource))
        return None


def _key(resource: Resource) -> str:
    """Return what storage calls a backup."""
    server, backup = resource.target.names
    return f"azure/{server}.{backup}"
