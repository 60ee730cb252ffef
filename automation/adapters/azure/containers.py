"""The estate's blob container for backups: found by its account's tag, and used by blob name.

The container is the one that the settings name by its URL, or ``backups`` in the storage account with the cluster's tag
that the estate's own program makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.storage.blob import ContainerClient, ContentSettings

from automation.adapters.azure import place, tags
from automation.adapters.azure.session import Caller, Count
from automation.ports.errors import NotFound, Unexpected

CONTAINER = "backups"
_JSON = "application/json"
_PATIENCE = {"retry_total": 3, "connection_timeout": 5, "read_timeout": 30, "user_agent": "bitbucket-dc"}


class Blobs:
    """Reads, writes, lists and removes blobs.

    Args:
        caller: who asks.
        cluster: whose container it is.
        url: the container's URL; None finds it.
    """

    def __init__(self, caller: Caller, cluster: str, url: str | None = None) -> None:
        self._caller = caller
        self._cluster = cluster
        self._url = url
        self._counted = Count()

    @property
    def calls(self) -> int:
        """Requests sent to blob storage so far, retries included."""
        return self._counted.total

    def url(self) -> str:
        """Return the container's URL.

        Raises:
            NotFound: there is no storage account with the cluster's tag.
            Unexpected: there are several.
        """
        if self._url is None:
            places, mine = self._caller.azure.places, f"container of {self._cluster}"
            if mine not in places:  # whoever asks under the lock finds it here: the manifest was written before
                places[mine] = self._tagged()
            self._url = places[mine]
        return self._url.rstrip("/")

    def get(self, name: str) -> bytes:
        """Return a blob's content. Raises NotFound."""
        with self._using(f"get {name}") as container:
            content: bytes = container.download_blob(name, **self._heard()).readall()
            return content

    def put(self, name: str, content: bytes, *, again: bool = True) -> None:
        """Write a blob; the container keeps what it replaces.

        Raises:
            Conflict: it is there already, and ``again`` is false.
        """
        with self._using(f"put {name}") as container:
            kind = ContentSettings(content_type=_JSON)
            container.upload_blob(name, content, overwrite=again, content_settings=kind, **self._heard())

    def names(self, start: str) -> list[str]:
        """Return the names of all blobs that begin with ``start``."""
        with self._using(f"list {start}") as container:
            found = container.list_blob_names(name_starts_with=start, **self._heard())
            return sorted(str(name) for name in found if str(name).endswith(".json"))

    def remove(self, name: str) -> None:
        """Delete a blob; its versions stay for as long as the account keeps them. Gone is success."""
        try:
            with self._using(f"delete {name}") as container:
                container.delete_blob(name, **self._heard())
        except NotFound:
            return

    @contextmanager
    def _using(self, doing: str) -> Iterator[Any]:
        url = self.url()
        with self._caller.translated(f"blob {doing} of {url}"):
            yield self._caller.azure.kept(url, lambda: self._made(url))

    def _made(self, url: str) -> ContainerClient:
        azure = self._caller.azure
        return ContainerClient.from_container_url(
            url, credential=azure.credential, transport=azure.transport(), **_PATIENCE
        )

    def _heard(self) -> dict[str, Any]:
        return {"raw_response_hook": lambda _response: self._counted.add()}

    def _tagged(self) -> str:
        accounts = [one for one in place.storage_accounts(self._caller) if tags.is_of(one, self._cluster)]
        if not accounts:
            raise NotFound(
                f"no storage account for the manifests of cluster {self._cluster} in {self._caller.place}",
                hint="`pulumi up` makes it; or name a container by its URL: BBDC_BACKUP__BUCKET",
            )
        if len(accounts) > 1:
            names = ", ".join(sorted(str(one["name"]) for one in accounts))
            hint = "name the right container by its URL: BBDC_BACKUP__BUCKET"
            raise Unexpected(f"several storage accounts carry {tags.CLUSTER}={self._cluster}: {names}", hint=hint)
        endpoint = str(accounts[0]["properties"]["primaryEndpoints"]["blob"])
        return f"{endpoint.rstrip('/')}/{CONTAINER}"
