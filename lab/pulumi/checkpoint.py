"""Checkpoints: a stack's resources and interrupted operations, read from and written to JSON."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.pulumi import state as states
from lab.pulumi.secrets import Crypter, show_plaintext
from lab.pulumi.state import State
from lab.pulumi.version import CLI_VERSION

_TAG = f"v{CLI_VERSION}"


@dataclass(frozen=True, slots=True)
class PendingOperation:
    """An operation that had begun; still in the checkpoint, it was interrupted.

    Attributes:
        resource: the resource as it was going to be, or as it was.
        type: creating, updating, deleting, reading or importing.
    """

    resource: State
    type: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a stack is known to consist of; resources in dependency order."""

    resources: tuple[State, ...] = ()
    pending: tuple[PendingOperation, ...] = ()


def parse(deployment: Mapping[str, Any], crypter: Crypter) -> Checkpoint:
    """Read a deployment, decrypting its secrets."""
    resources = tuple(states.from_json(crypter.unseal(item)) for item in deployment.get("resources") or ())
    pending = tuple(
        PendingOperation(states.from_json(crypter.unseal(item["resource"])), item["type"])
        for item in deployment.get("pending_operations") or ()
    )
    return Checkpoint(resources, pending)


def header(crypter: Crypter) -> dict[str, Any]:
    """The part of a deployment before its resources."""
    magic = hashlib.sha256(_TAG.encode()).hexdigest()
    return {
        "manifest": {"time": states.timestamp(), "magic": magic, "version": _TAG},
        "secrets_providers": {"type": "passphrase", "state": {"salt": crypter.state}},
    }


class Writer:
    """Turns checkpoints into text, keeping the text of every state it has seen.

    A checkpoint is written before and after each step; without the memory each of these would encode all resources.
    """

    def __init__(self, crypter: Crypter) -> None:
        """Write with this stack's secrets manager."""
        self._crypter = crypter
        self._texts: dict[State, str] = {}

    def _resource(self, state: State) -> str:
        if state not in self._texts:
            self._texts[state] = json.dumps(self._crypter.seal(states.to_json(state)))
        return self._texts[state]

    def text(self, resources: Iterable[State], pending: Iterable[PendingOperation]) -> str:
        """A deployment as JSON text."""
        fields = [f'"{key}": {json.dumps(value)}' for key, value in header(self._crypter).items()]
        items = ",\n".join(map(self._resource, resources))
        if items:
            fields.append(f'"resources": [\n{items}\n]')
        begun = [f'{{"resource": {self._resource(item.resource)}, "type": "{item.type}"}}' for item in pending]
        if begun:
            fields.append(f'"pending_operations": [\n{",".join(begun)}\n]')
        return "{" + ",\n".join([*fields, '"metadata": {}']) + "}"


def export(checkpoint: Checkpoint, crypter: Crypter, *, show_secrets: bool) -> dict[str, Any]:
    """A deployment as `pulumi stack export` prints it."""
    show = show_plaintext if show_secrets else crypter.seal
    document = header(crypter)
    if checkpoint.resources:
        document["resources"] = [show(states.to_json(item)) for item in checkpoint.resources]
    if checkpoint.pending:
        document["pending_operations"] = [
            {"resource": show(states.to_json(item.resource)), "type": item.type} for item in checkpoint.pending
        ]
    return {**document, "metadata": {}}
