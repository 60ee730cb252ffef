"""Blob storage: block blobs in containers, with versions; one port for all accounts, each under its name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from lab.azure import blob_answers, shared_keys
from lab.azure.errors import ArmError
from lab.azure.messages import Answer, Request
from lab.azure.ports import Call
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

AUDIENCE = "https://storage.azure.com"
DATA = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
CONTAINER_NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]|\$root|\$logs")


@dataclass(slots=True, eq=False)
class Blob:
    """One version of a blob.

    Attributes:
        headers: content type and the like, by their names in answers.
        meta: metadata.
        version: its id; empty in an account without versions.
    """

    content: bytes
    changed: float
    headers: dict[str, str]
    meta: dict[str, str]
    version: str = ""
    etag: str = field(default_factory=lambda: f'"0x{uuid.uuid4().hex[:15].upper()}"')

    def described(self) -> dict[str, str]:
        """Return the headers that tell what it is."""
        found = {
            "ETag": self.etag,
            "Last-Modified": formatdate(self.changed, usegmt=True),
            "x-ms-blob-type": "BlockBlob",
            "x-ms-creation-time": formatdate(self.changed, usegmt=True),
            "x-ms-lease-state": "available",
            "x-ms-lease-status": "unlocked",
            "x-ms-server-encrypted": "true",
            "Accept-Ranges": "bytes",
        }
        found |= {f"x-ms-meta-{name}": value for name, value in self.meta.items()}
        return found | self.headers | ({"x-ms-version-id": self.version} if self.version else {})


@dataclass(slots=True)
class Container:
    """What is in a container.

    Attributes:
        blobs: name -> versions, the oldest first; the last one is the current version.
        hidden: names whose current version was deleted.
        blocks: name -> block id -> content, not committed yet.
    """

    changed: float
    blobs: dict[str, list[Blob]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: f'"0x{uuid.uuid4().hex[:15].upper()}"')

    def described(self) -> dict[str, str]:
        """Return the headers that tell what it is."""
        return {"ETag": self.etag, "Last-Modified": formatdate(self.changed, usegmt=True)}


@dataclass(slots=True)
class Account:
    """One account: its keys in base64, its containers, and whether it keeps versions."""

    resource: Resource
    keys: list[str]
    containers: dict[str, Container] = field(default_factory=dict)
    versioned: bool = False


@dataclass(slots=True)
class Blobs:
    """The service."""

    world: AzureWorld
    url: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        """Answer one request; hold the world's lock.

        Raises:
            ArmError: it is refused.
        """
        name, _, rest = request.path.lstrip("/").partition("/")
        account = self.accounts.get(name)
        if account is None:
            raise ArmError(404, "ResourceNotFound", "The specified resource does not exist.")
        container, _, blob = rest.partition("/")
        self._authorize(account, container, request)
        if not container:
            return blob_answers.containers(f"{request.base}/{name}/", account, request)
        if not blob:
            return self._container(account, container, request)
        found = account.containers.get(container)
        if found is None:
            raise _no_container()
        return self._blob(account, found, blob, request)

    def _authorize(self, account: Account, container: str, request: Request) -> None:
        if request.headers.get("authorization", "").startswith("SharedKey "):
            shared_keys.check(account.resource.name, account.keys, request)
            return
        principal = self.world.identities.bearer(request.headers, {AUDIENCE, f"{self.url}/{account.resource.name}"})
        action = f"{DATA}/{ {'GET': 'read', 'HEAD': 'read', 'DELETE': 'delete'}.get(request.method, 'write') }"
        scope = (
            f"{account.resource.id}/blobServices/default/containers/{container}" if container else account.resource.id
        )
        if not principal.may(action, scope):
            message = "This request is not authorized to perform this operation using this permission."
            raise ArmError(403, "AuthorizationPermissionMismatch", message)

    # --- containers ----------------------------------------------------------------------------------------------

    def _container(self, account: Account, name: str, request: Request) -> Answer:
        found = account.containers.get(name)
        if request.method == "PUT":
            if CONTAINER_NAME.fullmatch(name) is None:
                raise ArmError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")
            if found is not None:
                raise ArmError(409, "ContainerAlreadyExists", "The specified container already exists.")
            account.containers[name] = Container(self.world.clock.now())
            return Answer(201, None, account.containers[name].described())
        if found is None:
            raise _no_container()
        if request.method == "DELETE":
            del account.containers[name]
            return Answer(202)
        if request.query.get("comp") == "list":
            return blob_answers.blobs(f"{request.base}/{account.resource.name}/", name, found, request)
        return Answer(200, None, found.described())

    # --- blobs ---------------------------------------------------------------------------------------------------

    def _blob(self, account: Account, container: Container, name: str, request: Request) -> Answer:
        comp = request.query.get("comp", "")
        match (request.method, comp):
            case ("PUT", ""):
                return self._put(account, container, name, request.body, request)
            case ("PUT", "block"):
                container.blocks.setdefault(name, {})[request.query["blockid"]] = request.body
                return Answer(201, None, {"x-ms-request-server-encrypted": "true"})
            case ("PUT", "blocklist"):
                blocks = container.blocks.pop(name, {})
                wanted = re.findall(r"<(?:Latest|Uncommitted|Committed)>([^<]*)<", request.body.decode())
                if any(one not in blocks for one in wanted):
                    raise ArmError(400, "InvalidBlockList", "The specified block list is invalid.")
                return self._put(account, container, name, b"".join(blocks[one] for one in wanted), request)
            case ("GET" | "HEAD", ""):
                return blob_answers.read(self._find(container, name, request), request)
            case ("DELETE", ""):
                return self._delete(account, container, name, request)
        raise ArmError(400, "InvalidQueryParameterValue", f"The lab's blobs know no {request.method} with comp={comp}.")

    def _put(self, account: Account, container: Container, name: str, content: bytes, request: Request) -> Answer:
        before = container.blobs.get(name, [])
        _check(None if name in container.hidden or not before else before[-1], request)
        if request.headers.get("x-ms-blob-type", "BlockBlob") != "BlockBlob":
            raise ArmError(400, "InvalidHeaderValue", "The lab has block blobs only.")
        _check_digest(content, request.headers)
        made = Blob(content, self.world.clock.now(), _headers(content, request.headers), _meta(request.headers))
        if account.versioned:
            made.version = self._version(before)
        container.blobs[name] = [*(before if account.versioned else []), made]
        container.hidden.discard(name)
        self.world.emit("blob", account=account.resource.name, blob=name)
        shown = {key: value for key, value in made.described().items() if key != "Content-Type"}
        return Answer(201, None, shown | {"x-ms-request-server-encrypted": "true"})

    def _version(self, before: list[Blob]) -> str:
        now = self.world.clock.now()
        text = blob_answers.instant(now, len(before))
        return text if not before or text > before[-1].version else before[-1].version[:-1] + "9Z"

    def _find(self, container: Container, name: str, request: Request) -> Blob:
        wanted = request.query.get("versionid")
        versions = container.blobs.get(name, [])
        if wanted:
            found = [one for one in versions if one.version == wanted]
        else:
            found = [] if name in container.hidden else versions[-1:]
        if not found:
            raise ArmError(404, "BlobNotFound", "The specified blob does not exist.")
        _check(found[0], request)
        return found[0]

    def _delete(self, account: Account, container: Container, name: str, request: Request) -> Answer:
        blob = self._find(container, name, request)
        if request.query.get("versionid"):
            container.blobs[name].remove(blob)
        elif account.versioned:
            container.hidden.add(name)
        else:
            del container.blobs[name]
        if not container.blobs.get(name, [1]):
            del container.blobs[name]
        return Answer(202, None, {"x-ms-delete-type-permanent": "true"})


def call_of(request: Request) -> Call:
    """Name a request for the faults."""
    parts = [part for part in request.path.split("/") if part]
    return Call("blob", f"{request.method} {'blob' if len(parts) > 2 else 'container'}", request.body)


def _no_container() -> ArmError:
    return ArmError(404, "ContainerNotFound", "The specified container does not exist.")


def _check(current: Blob | None, request: Request) -> None:
    """Refuse when the conditions of a request are not met."""
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    if unwanted == "*" and current is not None and request.method == "PUT":
        raise ArmError(409, "BlobAlreadyExists", "The specified blob already exists.")
    if wanted and (current is None or wanted not in {"*", current.etag}):
        raise ArmError(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
    if unwanted and current is not None and unwanted == current.etag:
        raise ArmError(
            304 if request.method in {"GET", "HEAD"} else 412, "ConditionNotMet", "The condition is not met."
        )


def _check_digest(content: bytes, headers: Mapping[str, str]) -> None:
    asked = headers.get("content-md5")
    if not asked:
        return
    try:
        same = base64.b64decode(asked, validate=True) == _md5(content)
    except binascii.Error:
        same = False
    if not same:
        raise ArmError(400, "Md5Mismatch", "The MD5 value specified in the request did not match with the content.")


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _headers(content: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    names = {"x-ms-blob-content-type": "Content-Type", "x-ms-blob-cache-control": "Cache-Control"}
    found = {shown: headers[sent] for sent, shown in names.items() if headers.get(sent)}
    found.setdefault("Content-Type", "application/octet-stream")
    return found | {"Content-MD5": base64.b64encode(_md5(content)).decode()}


def _meta(headers: Mapping[str, str]) -> dict[str, str]:
    start = "x-ms-meta-"
    return {name.removeprefix(start): value for name, value in headers.items() if name.startswith(start)}
