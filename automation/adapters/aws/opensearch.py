"""The search index and its snapshots in an OpenSearch repository (``ports.vaults.Vault``).

The repository lies in S3 and is registered with the domain beforehand. OpenSearch never changes what a snapshot says of
itself, so the set's state is a small document of its own beside the indices.

Source: OpenSearch, *Take and restore snapshots*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from automation.adapters.aws.rds_shapes import identifier
from automation.adapters.aws.snapshots import refuse_other
from automation.adapters.http import Answer, Http
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, MemberKind, SetState, Snapshot, SnapshotState, Source
from automation.ports.errors import (
    BbdcError,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
    Unexpected,
)
from automation.ports.vaults import Destination

INDICES = "bitbucket-*"
"""Bitbucket's own indices."""
STATES = "/bbdc-backup-states/_doc/"
"""Where the sets' states are kept; the name is outside ``INDICES``."""
_DONE = {"SUCCESS": SnapshotState.COMPLETED, "FAILED": SnapshotState.FAILED, "PARTIAL": SnapshotState.FAILED}
_TAKEN = {"invalid_snapshot_name_exception", "concurrent_snapshot_execution_exception"}
_PLAIN: Mapping[int, tuple[type[NotAuthenticated | NotFound | Throttled | Unexpected], str]] = {
    401: (NotAuthenticated, "check BBDC_BACKUP__SEARCH_USER and BBDC_BACKUP__SEARCH_PASSWORD"),
    404: (NotFound, "check BBDC_BACKUP__SEARCH_REPOSITORY"),
    429: (Throttled, ""),
}
Json = dict[str, Any]


class AwsSearch:
    """Implements ``ports.vaults.Vault`` over OpenSearch's snapshot API."""

    kind = MemberKind.SEARCH

    def __init__(self, http: Http, url: str, repository: str, cluster: str) -> None:
        """Take the domain's URL and the name of a repository that is registered with it."""
        self._http = http
        self._base = url.rstrip("/")
        self._repository = f"/_snapshot/{repository}"
        self._cluster = cluster

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._http.calls

    def sources(self) -> tuple[Source, ...]:
        """Return the domain; without its repository it cannot be taken."""
        name = str(self._send("GET", "/").get("cluster_name") or self._base)
        try:
            self._send("GET", self._repository)
        except NotFound as error:
            return (Source(self.kind, name, role="search", state="no repository", problem=error.message),)
        return (Source(self.kind, name, role="search", state="available"),)

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Begin the snapshot of Bitbucket's indices; one that is there already is this set's own."""
        return tuple(self._begin(of, source) for source in sources)

    def snapshots(self, set_id: str | None = None) -> tuple[Snapshot, ...]:
        """Return the cluster's snapshots of sets, or the one of a set."""
        name = "_all" if set_id is None else identifier(self._cluster, set_id)
        seen = (_snapshot(one) for one in self._described(name))
        mine = [one for one in seen if one.tags.get(labels.CLUSTER) == self._cluster and labels.SET in one.tags]
        return tuple(self._stated(one) for one in mine if set_id in {None, one.tags[labels.SET]})

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state beside the indices."""
        if not self._described(snapshot.id):
            raise NotFound(f"there is no search snapshot {snapshot.id}")
        self._send("PUT", STATES + quote(snapshot.id), {"state": state.value})

    def delete(self, snapshot: Snapshot) -> None:
        """Delete a snapshot that still belongs to the set it was seen with, and its state."""
        for one in self._described(snapshot.id):
            refuse_other(snapshot, _snapshot(one).tags)
            self._gone(f"{self._repository}/{quote(snapshot.id)}")
        self._gone(STATES + quote(snapshot.id))

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:  # noqa: ARG002 (the port)
        """Refuse: the repository is a bucket, and buckets are replicated by S3."""
        hint = "replicate the repository's bucket, or leave the search index out of the sets: it can be built anew"
        raise Refused(
            "search_not_copied", f"the search snapshot {snapshot.id} cannot be copied to {to.region}", hint=hint
        )

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:  # noqa: ARG002 (the port's signature)
        """Return nothing: see ``copy``."""
        return ()

    def _begin(self, of: BackupSet, source: Source) -> Snapshot:
        name = identifier(self._cluster, of.id)
        words = labels.of_set(of) | {labels.ROLE: source.role, labels.SOURCE: source.id}
        body = {"indices": INDICES, "include_global_state": False, "metadata": words}
        try:
            self._send("PUT", f"{self._repository}/{name}?wait_for_completion=false", body)
        except Conflict:
            found = self.snapshots(of.id)
            if not found:
                raise
            return found[0]
        return Snapshot(self.kind, name, source.id, SnapshotState.PENDING, tags=words)

    def _described(self, name: str) -> list[Json]:
        try:
            return list(self._send("GET", f"{self._repository}/{quote(name)}").get("snapshots") or ())
        except NotFound:
            return []

    def _stated(self, found: Snapshot) -> Snapshot:
        try:
            state = self._send("GET", STATES + quote(found.id)).get("_source", {}).get("state")
        except NotFound:
            return found
        return _with_state(found, str(state))

    def _gone(self, path: str) -> None:
        try:
            self._send("DELETE", path)
        except NotFound:
            return

    def _send(self, method: str, path: str, body: Json | None = None) -> Json:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        answer = self._http.send(method, self._base + path, headers=headers, content=content)
        doing = f"{method} {self._base}{path.partition('?')[0]}"
        found = _parsed(answer)
        if not HTTPStatus(200) <= answer.status < HTTPStatus(300):
            raise _error(answer.status, doing, found or {})
        if found is None:
            raise Unexpected(f"{doing}: no JSON in the answer", hint="check BBDC_BACKUP__SEARCH_URL")
        return found


def _parsed(answer: Answer) -> Json | None:
    try:
        found = json.loads(answer.text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _error(status: int, doing: str, body: Json) -> BbdcError:
    told = body.get("error")
    kind, reason = (str(told.get("type")), str(told.get("reason"))) if isinstance(told, dict) else ("", "")
    message = f"{doing}: HTTP {status}" + (f": {reason[:300]}" if reason else "")
    if kind in _TAKEN or status == HTTPStatus.CONFLICT:
        return Conflict(message)
    if status == HTTPStatus.FORBIDDEN:
        return Forbidden(message, right="manage_snapshots", hint="map the user to the role manage_snapshots")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(message)
    plain, hint = _PLAIN.get(status, (Unexpected, ""))
    return plain(message, hint=hint)


def _snapshot(found: Json) -> Snapshot:
    state = _DONE.get(str(found.get("state")), SnapshotState.PENDING)
    words = {str(key): str(value) for key, value in (found.get("metadata") or {}).items()}
    started = found.get("start_time_in_millis")
    return Snapshot(
        kind=MemberKind.SEARCH,
        id=str(found.get("snapshot")),
        source=words.get(labels.SOURCE, ""),
        state=state,
        at=started / 1000 if started else None,
        percent=100 if state is SnapshotState.COMPLETED else 0,
        tags=words,
        problem=str(found.get("reason") or found.get("state")) if state is SnapshotState.FAILED else "",
    )


def _with_state(found: Snapshot, state: str) -> Snapshot:
    return replace(found, tags={**found.tags, labels.STATE: state})
