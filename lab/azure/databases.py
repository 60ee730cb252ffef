"""Flexible servers of PostgreSQL: states on the way, restores to a moment, and the files that hold their rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lab.azure import errors
from lab.azure.errors import ArmError
from lab.azure.kinds import Act, Change, Kind, Statuses
from lab.azure.messages import Json
from lab.azure.operations import Steps, iso, seconds_of
from lab.azure.resources import STATE, Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

SERVER = "Microsoft.DBforPostgreSQL/flexibleServers"
VERSIONS = ("2021-06-01", "2026-10-01")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
STATUSES = Statuses(create=202, update=202, patch=202)
DOMAIN = "postgres.database.azure.com"
KEPT = (
    "administratorLogin", "fullyQualifiedDomainName", "version", "state", "network", "availabilityZone", "createMode",
    "sourceServerResourceId", "pointInTimeUTC",
)  # fmt: skip
"""What stays when a PUT leaves it out."""


@dataclass(slots=True)
class Own:
    """What a server knows beside its document: when it was made; whether a backup is being taken."""

    created: float
    backing_up: bool = False


@dataclass(slots=True)
class Servers(Kind):
    """Flexible servers."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True
    synchronous: ClassVar[bool] = False
    hidden: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("properties", "administratorLoginPassword"),
        ("properties", STATE),
    )

    def check_idle(self, resource: Resource) -> None:
        """Refuse while it is busy."""
        if resource.busy or resource.properties.get("state") in {"Starting", "Stopping", "Restarting"}:
            raise is_busy(resource)

    def accept(self, change: Change) -> Json:
        """Check what a new server needs, or what may change."""
        document = Kind.accept(self, change)
        properties = document.setdefault("properties", {})
        if change.old is not None:
            self._check_update(change.old, document)
            return document
        if NAME.fullmatch(change.target.names[0]) is None:
            raise errors.invalid(f"The server name {change.target.names[0]} is invalid.", "InvalidServerName")
        taken = [one for one in self.world.resources.of(SERVER) if one.name.lower() == change.target.names[0].lower()]
        if taken:
            raise errors.conflict(f"Specified server name {taken[0].name} is already used.", "ServerNameAlreadyExists")
        if properties.get("createMode") == "PointInTimeRestore":
            self._check_restore(document)
        else:
            _check_new(document)
        high = (properties.get("highAvailability") or {}).get("mode", "Disabled")
        if high == "ZoneRedundant" and not self.world.locations.get(str(document.get("location")), True):
            raise errors.invalid("Zone redundant HA is not supported in this region.", "ZoneRedundantHANotSupported")
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:
        """Make the server, or change it."""
        properties = resource.properties
        if change.old is not None and resource.own is not None:
            properties["state"] = "Updating"
            yield self.world.after(self.world.timings.database)
            properties["state"] = "Ready"
            return None
        resource.own = Own(self.world.clock.now())
        properties |= {"state": "Provisioning", "fullyQualifiedDomainName": f"{resource.name}.{DOMAIN}"}
        self._fill(resource)
        yield self.world.after(self.world.timings.database)
        properties["state"] = "Ready"
        self.world.emit("database", database=resource.name)
        return None

    def failed(self, resource: Resource) -> None:
        """A server whose making failed is of no use."""
        resource.properties["state"] = "Disabled"
        Kind.failed(self, resource)

    def remove(self, resource: Resource) -> Steps:
        """Drop it, with its backups."""
        resource.properties["state"] = "Dropping"
        yield self.world.after(self.world.timings.database)
        self.world.storage.delete_database(resource.name)
        return None

    def act(self, act: Act) -> Steps:
        """Start, stop or restart."""
        if act.action not in {"start", "stop", "restart"}:
            raise errors.no_action(self.name, act.action)
        self.check_idle(act.resource)
        stopped = act.resource.properties["state"] == "Stopped"
        if stopped and act.action == "restart":
            raise not_ready(act.resource)
        during = {"start": "Starting", "stop": "Stopping", "restart": "Restarting"}[act.action]
        return self._power(act.resource, during, "Stopped" if act.action == "stop" else "Ready")

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return the server with the earliest moment that it can be restored to."""
        found = Kind.show(self, resource, query)
        found["properties"].pop(STATE, None)
        if resource.own is not None:
            backup = found["properties"].setdefault("backup", {})
            backup["earliestRestoreDate"] = iso(self.earliest(resource))
            backup.setdefault("backupRetentionDays", 7)
        return found

    def earliest(self, resource: Resource) -> float:
        """Return the first moment that a server can be restored to, in seconds since the epoch."""
        days = int((resource.properties.get("backup") or {}).get("backupRetentionDays", 7))
        born = float(resource.own.created) + self.world.timings.earliest_restore
        return max(born, self.world.clock.now() - 86400.0 * days)

    # --- inner workings ------------------------------------------------------------------------------------------

    def _power(self, resource: Resource, during: str, then: str) -> Steps:
        resource.properties["state"] = during
        resource.touch()
        yield self.world.after(self.world.timings.database)
        resource.properties["state"] = then
        resource.touch()
        return None

    def _check_update(self, old: Resource, document: Json) -> None:
        if old.properties.get("state") == "Stopped":
            raise not_ready(old)
        properties = document["properties"]
        for name in KEPT:
            if name in old.properties and not properties.get(name):
                properties[name] = old.properties[name]
        for name in ("administratorLogin", "sourceServerResourceId"):
            if properties.get(name) != old.properties.get(name):
                raise errors.invalid(f"The property '{name}' cannot be changed.", "InvalidParameterValue")
        if _gigabytes(properties) < _gigabytes(old.properties):
            message = "Unable to update storage size: it cannot be smaller than it is."
            raise errors.invalid(message, "ServerStorageShrinkNotSupported")

    def _check_restore(self, document: Json) -> None:
        properties = document["properties"]
        source = self.world.resources.get(str(properties.get("sourceServerResourceId") or "/subscriptions/none"))
        if source.location.lower() != str(document.get("location", "")).replace(" ", "").lower():
            raise errors.invalid("A server is restored in the region of its source.", "InvalidParameterValue")
        if source.properties.get("state") in {"Provisioning", "Dropping", "Disabled"}:
            raise is_busy(source)
        moment = _moment(properties.get("pointInTimeUTC"))
        if not self.earliest(source) <= moment <= self.world.clock.now():
            message = (
                f"Restore point in time {properties['pointInTimeUTC']} is not valid: it lies between "
                f"{iso(self.earliest(source))} and now."
            )
            raise errors.invalid(message, "PointInTimeRestoreTimeInvalid")
        for name in ("administratorLogin", "administratorLoginPassword", "version", "storage"):
            properties[name] = source.properties.get(name)
        document["sku"] = document.get("sku") or source.document.get("sku")

    def _fill(self, resource: Resource) -> None:
        if resource.properties.get("createMode") != "PointInTimeRestore":
            self.world.storage.create_database(resource.name)
            return
        source = self.world.resources.get(resource.properties["sourceServerResourceId"])
        moment = _moment(resource.properties["pointInTimeUTC"])
        self.world.storage.restore_database_at(source.name, resource.name, moment)


def reach(world: AzureWorld, host: str, user: str, password: str) -> str:
    """Return the name of the database behind an address.

    Raises:
        ConnectionError: nothing answers there.
        PermissionError: user or password are wrong.
    """
    for server in world.resources.of(SERVER):
        found = server.properties
        if found.get("fullyQualifiedDomainName") == host and found.get("state") in {"Ready", "Updating"}:
            if (user, password) != (found.get("administratorLogin"), found.get("administratorLoginPassword")):
                raise PermissionError(f'password authentication failed for user "{user}"')
            return server.name
    raise ConnectionError(f'could not translate host name "{host}" to address: Name or service not known')


def is_busy(resource: Resource) -> ArmError:
    """Another operation is under way."""
    message = (
        f"Cannot complete operation while server '{resource.name}' is busy processing another operation. "
        "Try again later."
    )
    return errors.conflict(message, "ServerIsBusy")


def not_ready(resource: Resource) -> ArmError:
    """The server is stopped."""
    message = f"Server '{resource.name}' is in state {resource.properties.get('state')}: this needs a running server."
    return errors.conflict(message, "ServerIsNotReady")


def _check_new(document: Json) -> None:
    properties = document["properties"]
    for name, found in (
        ("sku", document.get("sku")),
        ("administratorLogin", properties.get("administratorLogin")),
        ("administratorLoginPassword", properties.get("administratorLoginPassword")),
        ("version", properties.get("version")),
    ):
        if not found:
            raise errors.invalid(f"Invalid value given for parameter {name}.", "InvalidParameterValue")


def _gigabytes(properties: Json) -> int:
    return int((properties.get("storage") or {}).get("storageSizeGB") or 0)


def _moment(text: Any) -> float:
    try:
        return seconds_of(str(text))
    except ValueError as error:
        raise errors.invalid("Invalid value given for parameter pointInTimeUTC.", "InvalidParameterValue") from error
