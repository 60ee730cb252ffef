"""The installation archive as nodes on AWS fetch it (``ports.cloud.Archive``): over HTTP, or out of S3."""

from __future__ import annotations

from urllib.parse import urlsplit

from automation.adapters.aws.discovery import Estate
from automation.adapters.aws.session import Caller
from automation.adapters.aws.templates import Reference, Templates
from automation.adapters.host.archive import ATLASSIAN, NAME, look
from automation.adapters.http import Http
from automation.ports.cloud import Problem
from automation.ports.errors import BbdcError


class AwsArchive:
    """Looks where the group's own start-up script tells nodes to look, unless the settings name another place."""

    def __init__(self, caller: Caller, cluster: str, http: Http, template: str | None = None) -> None:
        self._caller = caller
        self._http = http
        self._template = template
        self._estate = Estate(caller, cluster)
        self._templates = Templates(caller)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls + self._http.calls

    def problem(self, version: str) -> Problem | None:
        """Say why a node could not fetch ``version`` now; see ``ports.cloud.Archive``."""
        url = self._place().replace("{version}", version)
        return self._in_s3(url) if url.startswith("s3://") else look(self._http, url)

    def _place(self) -> str:
        if self._template:
            return self._template
        return self._templates.archive_template(Reference.of_group(self._estate.group())) or ATLASSIAN

    def _in_s3(self, url: str) -> Problem | None:
        place = urlsplit(url)
        try:
            self._caller.call("s3", "head_object", Bucket=place.netloc, Key=place.path.lstrip("/"))
        except BbdcError as error:
            return Problem(NAME, f"{url}: {error}")
        return None
