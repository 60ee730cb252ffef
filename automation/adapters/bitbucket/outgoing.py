"""What leaves a Bitbucket by itself: mail, webhooks, mirrors (``ports.staging.Outgoing``).

Source: Atlassian's REST reference (admin/mail-server, webhooks of projects and repositories, mirroring).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from automation.adapters.bitbucket import answers, shapes
from automation.adapters.bitbucket.client import Client
from automation.ports.errors import NotFound, Unavailable, Unexpected

API = "/rest/api/latest"
_PAGE = 500


class BitbucketOutgoing:
    """Implements ``ports.staging.Outgoing`` over REST."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def status(self) -> str | None:
        """GET /status."""
        try:
            return shapes.status(answers.parse(self._client.raw("/status").text))
        except Unavailable:
            return None

    def mail_off(self) -> bool:
        """GET the mail server, and DELETE it where there is one."""
        try:
            self._client.get(f"{API}/admin/mail-server")
        except NotFound:
            return False
        self._client.change("DELETE", f"{API}/admin/mail-server")
        return True

    def webhooks_off(self) -> int:
        """GET the webhooks of every project and repository, and PUT each active one back inactive."""
        return sum(self._off(place) for place in self._places())

    def mirrors(self) -> tuple[str, ...]:
        """GET the mirrors; none where mirroring is not installed."""
        try:
            found = list(self._all("/rest/mirroring/latest/mirrorServers"))
        except NotFound:
            return ()
        return tuple(str(each.get("name") or each.get("id") or each.get("baseUrl")) for each in found)

    def _places(self) -> Iterator[str]:
        for project in self._all(f"{API}/projects"):
            yield f"{API}/projects/{_word(project, 'key')}"
        for repository in self._all(f"{API}/repos"):
            yield f"{API}/projects/{_word(repository.get('project') or {}, 'key')}/repos/{_word(repository, 'slug')}"

    def _off(self, place: str) -> int:
        active = [hook for hook in self._all(f"{place}/webhooks") if hook.get("active") is not False]
        for hook in active:
            self._client.change("PUT", f"{place}/webhooks/{hook.get('id')}", {**hook, "active": False})
        return len(active)

    def _all(self, path: str) -> Iterator[Mapping[str, Any]]:
        start, seen = 0, -1
        while start > seen:
            answer = self._client.get(f"{path}?limit={_PAGE}&start={start}")
            yield from shapes.items(answer, "values")
            _, following = shapes.page(answer, f"GET {path}")
            if following is None:
                return
            seen, start = start, following
        raise Unexpected(f"GET {path}: the page at {seen} is followed by the one at {start}")


def _word(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    if not isinstance(value, str):
        raise Unexpected(f"a project or repository without {key}: {str(found)[:100]}")
    return quote(value, safe="~")
