"""Key vaults: made through the resource manager, each with a port of its own for its secrets."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from lab.azure import errors
from lab.azure.errors import ArmError
from lab.azure.gateway import Gateway
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Answer, Json, Request
from lab.azure.operations import Steps
from lab.azure.ports import Call
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

VAULT, SECRET = "Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/secrets"
AUDIENCE = "https://vault.azure.net"
VERSIONS = ("2015-06-01", "2026-12-31")
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
ACTIONS = {"GET": "getSecret/action", "PUT": "setSecret/action", "DELETE": "delete", "POST": "recover/action"}


@dataclass(slots=True)
class Version:
    """One version of a secret; times are whole seconds since the epoch."""

    id: str
    value: str
    created: int
    more: Json

    def wire(self, url: str, name: str, *, value: bool = True, version: bool = True) -> Json:
        """Return it as the vault shows it; listings have no value and name no version."""
        place = f"{url}/secrets/{name}/{self.id}" if version else f"{url}/secrets/{name}"
        own = {"created": self.created, "updated": self.created, "recoveryLevel": "Recoverable", "recoverableDays": 90}
        attributes = {"enabled": True} | (self.more.get("attributes") or {}) | own
        found: Json = {"id": place, "attributes": attributes, "tags": self.more.get("tags") or {}}
        if self.more.get("contentType"):
            found["contentType"] = self.more["contentType"]
        return found | ({"value": self.value} if value else {})


@dataclass(slots=True)
class Vault:
    """The secrets of one vault.

    Attributes:
        resource: the vault.
        url: where it answers.
        known, deleted: name -> versions, the oldest first.
    """

    world: AzureWorld
    resource: Resource
    url: str = ""
    known: dict[str, list[Version]] = field(default_factory=dict)
    deleted: dict[str, list[Version]] = field(default_factory=dict)

    def set(self, name: str, body: Json) -> Version:
        """Keep a new version of a secret.

        Raises:
            ArmError: its name is none, it has no value, or one of this name was deleted and not purged.
        """
        if NAME.fullmatch(name) is None or not isinstance(body.get("value"), str):
            raise ArmError(400, "BadParameter", "The secret needs a name of letters, digits and dashes, and a value.")
        if name in self.deleted:
            message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
            raise ArmError(409, "Conflict", message)
        made = Version(secrets.token_hex(16), body["value"], int(self.world.clock.now()), body)
        self.known.setdefault(name, []).append(made)
        return made

    def answer(self, request: Request) -> Answer:
        """Answer one request to the vault; hold the world's lock."""
        parts = [part for part in request.path.split("/") if part]
        self._authorize(request)
        where, *rest = parts or [""]
        answer = None
        if where == "secrets":
            answer = self._secret(request, rest)
        elif where == "deletedsecrets":
            answer = self._buried(request.method, rest)
        if answer is None:
            raise ArmError(404, "NotFound", f"There is nothing at {request.path}.")
        return answer

    def _secret(self, request: Request, rest: list[str]) -> Answer | None:
        match (request.method, rest):
            case ("PUT", [name]):
                return Answer(200, self.set(name, request.json()).wire(self.url, name))
            case ("GET", []):
                every = self.known.items()
                lines = [found[-1].wire(self.url, name, value=False, version=False) for name, found in every]
                return Answer(200, {"value": lines})
            case ("GET", [name, "versions"]):
                lines = [one.wire(self.url, name, value=False) for one in self._versions(self.known, name)]
                return Answer(200, {"value": lines})
            case ("GET", [name, *version]):
                return Answer(200, self._version(name, version).wire(self.url, name))
            case ("DELETE", [name]):
                self.deleted[name] = self._versions(self.known, name)
                del self.known[name]
                return Answer(200, self._deleted(name))
        return None

    def _buried(self, method: str, rest: list[str]) -> Answer | None:
        versions = self._versions(self.deleted, rest[0] if rest else "")
        match (method, rest):
            case ("GET", [name]):
                return Answer(200, self._deleted(name))
            case ("DELETE", [name]):
                del self.deleted[name]
                return Answer(204)
            case ("POST", [name, "recover"]):
                self.known[name] = versions
                del self.deleted[name]
                return Answer(200, versions[-1].wire(self.url, name, value=False))
        return None

    # --- inner workings ------------------------------------------------------------------------------------------

    def _authorize(self, request: Request) -> None:
        try:
            principal = self.world.identities.bearer(request.headers, {AUDIENCE})
        except ArmError as error:
            tenant = self.world.subscriptions[self.resource.target.subscription.lower()]
            where = f'Bearer authorization="{self.world.url}/{tenant}", resource="{AUDIENCE}"'
            message = "AKV10000: Request is missing a Bearer or PoP token."
            raise ArmError(401, "Unauthorized", message, headers={"WWW-Authenticate": where}) from error
        action = f"{SECRET}/{ACTIONS.get(request.method, 'read')}"
        scope = "/".join([self.resource.id, *request.path.strip("/").split("/")[:2]])
        if not principal.may(action, scope):
            message = f"Caller is not authorized to perform action '{action}' on resource '{scope}'."
            raise ArmError(403, "Forbidden", message)

    def _versions(self, where: Mapping[str, list[Version]], name: str) -> list[Version]:
        if name not in where:
            message = f"A secret with (name/id) {name} was not found in this key vault."
            raise ArmError(404, "SecretNotFound", message)
        return where[name]

    def _version(self, name: str, wanted: list[str]) -> Version:
        versions = self._versions(self.known, name)
        if not wanted:
            return versions[-1]
        found = [one for one in versions if one.id == wanted[0]]
        if not found:
            raise ArmError(404, "SecretNotFound", f"A secret with (name/id) {name}/{wanted[0]} was not found.")
        return found[0]

    def _deleted(self, name: str) -> Json:
        now = int(self.world.clock.now())
        dates = {"deletedDate": now, "scheduledPurgeDate": now + 90 * 86400}
        return self.deleted[name][-1].wire(self.url, name) | dates | {"recoveryId": f"{self.url}/deletedsecrets/{name}"}


@dataclass(slots=True)
class Vaults(Kind):
    """Key vaults."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    located: ClassVar[bool] = True

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - it is opened once
        """Open the vault."""
        if resource.own is None:
            vault = Vault(self.world, resource)
            vault.url = self.world.listen(Gateway(self.world, vault.answer, _call_of))
            resource.own = vault
        resource.properties["vaultUri"] = f"{resource.own.url}/"
        yield from ()
        return None


@dataclass(slots=True)
class Secrets(Kind):
    """Secrets written through the resource manager; their values are never read there."""

    versions: ClassVar[tuple[str, str]] = VERSIONS
    hidden: ClassVar[tuple[tuple[str, ...], ...]] = (("properties", "value"),)

    def apply(self, resource: Resource, change: Change) -> Steps:
        """Keep the value in the vault."""
        vault: Vault = self.world.resources.get(resource.target.owner()).own
        value = (change.body.get("properties") or {}).get("value")
        if value is None:
            raise errors.invalid("Required parameter 'value' is missing (null).")
        made = vault.set(resource.name, {"value": value, "tags": resource.tags})
        resource.properties["secretUri"] = f"{vault.url}/secrets/{resource.name}"
        resource.properties["secretUriWithVersion"] = f"{vault.url}/secrets/{resource.name}/{made.id}"
        yield from ()
        return None


def _call_of(request: Request) -> Call:
    """Name a request for the faults."""
    return Call("vault", f"{request.method} secrets", request.body)
