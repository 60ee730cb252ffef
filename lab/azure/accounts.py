"""Storage accounts as the resource manager sees them: keys, containers, versioning."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field
from typing import ClassVar

from lab.azure import errors
from lab.azure.blobs import Account, Container
from lab.azure.kinds import Act, Change, Kind, Statuses
from lab.azure.messages import Json
from lab.azure.operations import Steps
from lab.azure.resources import Resource

ACCOUNT = "Microsoft.Storage/storageAccounts"
SERVICE = "Microsoft.Storage/storageAccounts/blobServices"
CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
VERSIONS = ("2015-06-15", "2026-12-31")
STATUSES = Statuses(create=202)
NAME = re.compile(r"[a-z0-9]{3,24}")


@dataclass(slots=True)
class Keys:
    """An account's keys."""

    first: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode())
    second: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode())


@dataclass(slots=True)
class Accounts(Kind):
    """Storage accounts."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True

    def accept(self, change: Change) -> Json:
        """Check the name, which is everybody's."""
        name = change.target.names[-1]
        if NAME.fullmatch(name) is None:
            message = f"{name} is not a valid storage account name: 3 to 24 lower-case letters and digits."
            raise errors.ArmError(400, "AccountNameInvalid", message)
        if change.old is None and name in self.world.blobs.accounts:
            raise errors.conflict(f"The storage account named {name} is already taken.", "StorageAccountAlreadyTaken")
        return Kind.accept(self, change)

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - it is opened once
        """Open the account."""
        if resource.own is None:
            keys = Keys()
            resource.own = Account(resource, [keys.first, keys.second])
            self.world.blobs.accounts[resource.name] = resource.own
        place = f"{self.world.blobs.url}/{resource.name}"
        resource.properties["primaryEndpoints"] = {"blob": f"{place}/"}
        yield from ()
        return None

    def remove(self, resource: Resource) -> Steps:
        """Remove it with everything in it."""
        self.world.blobs.accounts.pop(resource.name, None)
        yield from ()
        return None

    def act(self, act: Act) -> Steps:
        """Nothing takes time here."""
        raise errors.no_action(self.name, act.action)

    def answer(self, act: Act) -> Json | None:
        """Return the keys."""
        if act.action != "listkeys":
            return None
        keys = act.resource.own.keys
        names = ("key1", "key2")
        return {
            "keys": [
                {"keyName": n, "value": value, "permissions": "FULL"} for n, value in zip(names, keys, strict=True)
            ]
        }


@dataclass(slots=True)
class Services(Kind):
    """The blob service of an account: whether it keeps versions."""

    versions: ClassVar[tuple[str, str]] = VERSIONS

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - the document says it all
        """Turn versions on or off."""
        account: Account = self.world.resources.get(resource.target.owner()).own
        account.versioned = bool(resource.properties.get("isVersioningEnabled"))
        yield from ()
        return None


@dataclass(slots=True)
class Containers(Kind):
    """Containers made through the resource manager."""

    versions: ClassVar[tuple[str, str]] = VERSIONS

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - the name says it all
        """Make the container."""
        self._account(resource).containers.setdefault(resource.name, Container(self.world.clock.now()))
        yield from ()
        return None

    def remove(self, resource: Resource) -> Steps:
        """Remove it with everything in it."""
        self._account(resource).containers.pop(resource.name, None)
        yield from ()
        return None

    def _account(self, resource: Resource) -> Account:
        found = self.world.blobs.accounts.get(resource.target.names[0])
        if found is None:
            raise errors.not_found(resource.target.what(), resource.target.group)
        return found
