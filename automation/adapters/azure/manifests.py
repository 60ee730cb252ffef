"""Manifests of backup sets in blob storage (``ports.vaults.Manifests``): one blob a set, versioned and encrypted."""

from __future__ import annotations

import json

from automation.adapters.azure import place
from automation.adapters.azure.containers import Blobs
from automation.adapters.azure.session import Caller
from automation.core.backups.manifest import from_json, to_json
from automation.core.backups.sets import BackupSet
from automation.ports.errors import NotFound, Unexpected


class BlobManifests:
    """Implements ``ports.vaults.Manifests`` over one blob container."""

    def __init__(self, caller: Caller, cluster: str, container: str | None = None) -> None:
        """Take the cluster, and the container's URL; None finds it by the cluster's tag."""
        self._caller = caller
        self._cluster = cluster
        self._blobs = Blobs(caller, cluster, container)
        self._account: tuple[str, str] | None = None

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls + self._blobs.calls

    def place(self) -> str:
        """Return the place as a URL.

        Raises:
            NotFound: there is no container.
        """
        return f"{self._blobs.url()}/{self._prefix}"

    def account(self) -> tuple[str, str]:
        """Return (subscription, region)."""
        if self._account is None:
            self._account = (self._caller.azure.subscription, place.region(self._caller))
        return self._account

    def write(self, manifest: BackupSet) -> None:
        """Put the blob; the account encrypts it, and keeps what it replaces."""
        text = json.dumps(to_json(manifest), indent=2, ensure_ascii=False) + "\n"
        self._blobs.put(self._name(manifest.id), text.encode())

    def read(self, set_id: str) -> BackupSet:
        """Get a set's blob."""
        try:
            return self._read(self._name(set_id))
        except NotFound as error:
            raise NotFound(
                f"there is no backup set {set_id} in {self.place()}", hint="`bbdc backup list` shows all"
            ) from error

    def all(self) -> tuple[BackupSet, ...]:
        """Get every blob of the cluster."""
        found = (self._read(name) for name in self._blobs.names(self._prefix))
        return tuple(sorted(found, key=lambda each: (each.created, each.id)))

    def remove(self, set_id: str) -> None:
        """Delete the blob; its versions stay for as long as the account keeps them."""
        self._blobs.remove(self._name(set_id))

    @property
    def _prefix(self) -> str:
        return f"sets/{self._cluster}/"

    def _name(self, set_id: str) -> str:
        return f"{self._prefix}{set_id}.json"

    def _read(self, name: str) -> BackupSet:
        content = self._blobs.get(name)
        try:
            return from_json(json.loads(content))
        except ValueError as error:
            raise Unexpected(
                f"{self._blobs.url()}/{name} is no manifest of ours: {error}",
                hint="the container keeps earlier versions: restore one, or remove the blob",
            ) from error
