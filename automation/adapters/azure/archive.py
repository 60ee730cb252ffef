"""The installation archive as nodes on Azure fetch it (``ports.cloud.Archive``): over HTTP, or from a private blob."""

from __future__ import annotations

from urllib.parse import urlsplit

from azure.storage.blob import BlobClient

from automation.adapters.azure import tags
from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.session import Caller
from automation.adapters.host.archive import ATLASSIAN, NAME, look
from automation.adapters.host.start_script import archive_of
from automation.adapters.http import Http
from automation.ports.cloud import Problem
from automation.ports.errors import BbdcError

_BLOBS = ".blob."
"""In the name of every host of blobs, in each of Azure's clouds."""


class AzureArchive:
    """Looks where the scale set tells its nodes to look, unless the settings name another place."""

    def __init__(self, caller: Caller, cluster: str, http: Http, template: str | None = None) -> None:
        self._caller = caller
        self._http = http
        self._template = template
        self._estate = Estate(caller, cluster)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls + self._http.calls

    def problem(self, version: str) -> Problem | None:
        """Say why a node could not fetch ``version`` now; see ``ports.cloud.Archive``."""
        url = self._place().replace("{version}", version)
        return (
            self._in_blob(url) if _BLOBS in urlsplit(url).netloc and not urlsplit(url).query else look(self._http, url)
        )

    def _place(self) -> str:
        """Return the settings' place, or the scale set's: its tag, its start-up script where Azure shows that."""
        if self._template:
            return self._template
        group = self._estate.group()
        said = tags.read(group).get(tags.ARCHIVE)
        script = (group["properties"].get("virtualMachineProfile") or {}).get("userData")
        return said or (archive_of(str(script)) if script else None) or ATLASSIAN

    def _in_blob(self, url: str) -> Problem | None:
        azure = self._caller.azure
        try:
            with (
                self._caller.translated(f"blob {url}"),
                BlobClient.from_blob_url(
                    url, credential=azure.credential, transport=azure.transport(), retry_total=3
                ) as blob,
            ):
                blob.get_blob_properties(**self._caller.hearing())
        except BbdcError as error:
            return Problem(NAME, f"{url}: {error}")
        return None
