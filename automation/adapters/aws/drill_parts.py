"""Find what belongs to a drill, by its tag; and what of the estate a drill is modelled on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from automation.adapters.aws import tags
from automation.adapters.aws.session import Caller
from automation.ports.errors import NotFound

DRILL = "bitbucket-dc:drill"
OF = "bitbucket-dc:drill-of"
"""The cluster. Not the cluster's own tag: nothing of a drill may ever be taken for a part of the estate."""
ORIGIN = "bitbucket-dc:drill-snapshot"
DEVICE = "bitbucket-dc:drill-device"
_LIVE = ["pending", "running", "stopping", "stopped", "shutting-down"]


@dataclass(frozen=True, slots=True)
class Found:
    """What exists of one drill."""

    machine: dict[str, Any] | None
    volumes: tuple[dict[str, Any], ...]
    database: dict[str, Any] | None
    group: str
    """Id of the security group; empty when there is none."""

    @property
    def is_empty(self) -> bool:
        """True when nothing is left."""
        return self.machine is None and not self.volumes and self.database is None and not self.group


class Parts:
    """Looks things up."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster

    def find(self, drill: str) -> Found:
        """Return what exists of a drill."""
        mine = [{"Name": f"tag:{DRILL}", "Values": [drill]}, {"Name": f"tag:{OF}", "Values": [self._cluster]}]
        live = [*mine, {"Name": "instance-state-name", "Values": _LIVE}]
        reservations = self._caller.pages("ec2", "describe_instances", "Reservations", Filters=live)
        machines = [one for reservation in reservations for one in reservation["Instances"]]
        groups = self._caller.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=mine)
        return Found(
            machine=machines[0] if machines else None,
            volumes=tuple(self._caller.pages("ec2", "describe_volumes", "Volumes", Filters=mine)),
            database=self._database(database_name(drill)),
            group=str(groups[0]["GroupId"]) if groups else "",
        )

    def drills(self) -> tuple[str, ...]:
        """Return the ids of all drills of the cluster of which something exists."""
        mine = [{"Name": f"tag:{OF}", "Values": [self._cluster]}]
        live = [*mine, {"Name": "instance-state-name", "Values": _LIVE}]
        found = set()
        for operation, key, filters in (
            ("describe_volumes", "Volumes", mine),
            ("describe_security_groups", "SecurityGroups", mine),
            ("describe_instances", "Reservations", live),
        ):
            for item in self._caller.pages("ec2", operation, key, Filters=filters):
                for one in item.get("Instances", [item]):
                    found.add(tags.read(one.get("Tags")).get(DRILL, ""))
        for database in self._caller.pages("rds", "describe_db_instances", "DBInstances"):
            own = tags.read(database.get("TagList"))
            if own.get(OF) == self._cluster:
                found.add(own.get(DRILL, ""))
        return tuple(sorted(found - {""}))

    def file_server(self) -> dict[str, Any]:
        """Return the estate's file server. Raises NotFound."""
        filters = [
            {"Name": f"tag:{tags.CLUSTER}", "Values": [self._cluster]},
            {"Name": f"tag:{tags.ROLE}", "Values": ["file-server"]},
            {"Name": "instance-state-name", "Values": ["running", "stopped", "pending", "stopping"]},
        ]
        for reservation in self._caller.pages("ec2", "describe_instances", "Reservations", Filters=filters):
            return dict(reservation["Instances"][0])
        raise NotFound(f"cluster {self._cluster} has no file server", hint="has 'pulumi up' created the cluster?")

    def database_at(self, host: str) -> dict[str, Any]:
        """Return the database instance with an endpoint. Raises NotFound."""
        for database in self._caller.pages("rds", "describe_db_instances", "DBInstances"):
            if (database.get("Endpoint") or {}).get("Address") == host:
                return dict(database)
        raise NotFound(f"no database instance answers at {host}", hint="see DATABASE_HOST in the launch template")

    def _database(self, name: str) -> dict[str, Any] | None:
        try:
            found = self._caller.call("rds", "describe_db_instances", DBInstanceIdentifier=name)["DBInstances"]
        except NotFound:
            return None
        mine = [one for one in found if tags.read(one.get("TagList")).get(OF) == self._cluster]
        return dict(mine[0]) if mine else None


def database_name(drill: str) -> str:
    """Return the identifier of a drill's database."""
    return f"bbdc-drill-{drill}"[:63].rstrip("-")


def origin(volume: Mapping[str, Any]) -> str:
    """Return the snapshot that a drill's volume was made from."""
    return tags.read(volume.get("Tags")).get(ORIGIN, "")


def device(volume: Mapping[str, Any]) -> str:
    """Return the device name that a drill's volume gets."""
    return tags.read(volume.get("Tags")).get(DEVICE, "")


def moment(seconds: float) -> datetime:
    """Return a time as boto3 takes it."""
    return datetime.fromtimestamp(seconds, UTC)
