"""What a Container Apps job does in the name of its managed identities: secrets out of key vaults, and tokens."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from lab.azure import paths, roles
from lab.azure.errors import ArmError
from lab.azure.messages import Answer, Json, Request
from lab.azure.ports import Call
from lab.azure.principals import IDENTITY
from lab.azure.vaults import SECRET, VAULT

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld


def check_secrets(world: AzureWorld, job: Json) -> None:
    """Refuse secrets of a vault that the job's identity may not read.

    Raises:
        ArmError: as Azure refuses the job.
    """
    for secret in (job["properties"].get("configuration") or {}).get("secrets") or ():
        value_of(world, job, secret)


def value_of(world: AzureWorld, job: Json, secret: Json) -> str:
    """Return the value of a job's secret: its own, or what a key vault tells the identity that is named with it.

    Raises:
        ArmError: the vault tells that identity nothing.
    """
    url = secret.get("keyVaultUrl")
    if not url:
        return str(secret.get("value", ""))
    name = paths.name_of(url)
    trouble = f"Unable to get value using Managed identity {secret.get('identity')} for secret {secret['name']}"
    identity = world.resources.find(str(secret.get("identity")))
    if identity is None or paths.key(identity.id) not in _given(job):
        raise _unreadable(f"{trouble}: the job is not given it.")
    vault = next((one for one in world.resources.of(VAULT) if str(url).startswith(f"{one.own.url}/")), None)
    may = roles.principal_of(world, identity).may
    if vault is None or not may(f"{SECRET}/getSecret/action", f"{vault.id}/secrets/{name}"):
        raise _unreadable(f"{trouble} from {url}: it may not read it.")
    if name not in vault.own.known:
        raise _unreadable(f"{trouble}: {url} does not exist.")
    return str(vault.own.known[name][-1].value)


class Door:
    """Where processes of jobs get tokens, as Container Apps gives them: IDENTITY_ENDPOINT and IDENTITY_HEADER."""

    def __init__(self, world: AzureWorld) -> None:
        self._world = world

    def answer(self, request: Request) -> Answer:
        """Answer a process that asks for a token; hold the world's lock.

        Raises:
            ArmError: it is none of ours, or its job has no such identity.
        """
        header, wanted = request.headers.get("x-identity-header", ""), request.query.get("client_id", "")
        job = next(
            (job for known, job in self._world.executions.headers() if secrets.compare_digest(known, header)), None
        )
        if job is None:
            raise ArmError(401, "Unauthorized", "The header X-IDENTITY-HEADER is missing or wrong.")
        for identity in (self._world.resources.find(one) for one in _given(job)):
            if identity is not None and wanted and identity.properties.get("clientId") == wanted:
                return Answer(200, dict(roles.issue(self._world, identity, request.query.get("resource", ""))))
        # A job has no identity of its own here, so one of those that it is given must be named.
        raise ArmError(400, "invalid_request", f"Unable to load the proper Managed Identity for client id '{wanted}'.")


def call_of(request: Request) -> Call:
    """Name a request for the faults."""
    return Call("msi", f"{request.method} token", request.body)


def _given(job: Json) -> set[str]:
    """Return the ids of the identities that a job is given, in lower case."""
    given = (job.get("identity") or {}).get("userAssignedIdentities") or {}
    return {paths.key(one) for one in given if f"/{IDENTITY}/".lower() in one.lower()}


def _unreadable(message: str) -> ArmError:
    return ArmError(400, "ContainerAppSecretKeyVaultUrlInvalid", message)
