"""The search index as a member of a set, over a function that answers as OpenSearch does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from automation.adapters.aws.opensearch import AwsSearch
from automation.adapters.http import Credentials, Http
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, Mode, SetState, SnapshotState
from automation.ports.errors import Conflict, Forbidden, NotAuthenticated, NotFound, Refused, Unavailable
from automation.ports.vaults import Destination

SET = BackupSet("20261121-100000-123", "git", Mode.LOCKED, SetState.PENDING, 1_700_000_000.0, expected=("search",))
NAME = "bbdc-git-20261121-100000-123"


class OpenSearch:
    """A domain with one repository, ``s3``; refuses names that are there, as the real one does."""

    def __init__(self) -> None:
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, Any] = {}
        self.broken: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if self.broken is not None:
            return self.broken
        if request.headers.get("Authorization") != "Basic c2VhcmNoOmh1bnRlcjIy":
            return httpx.Response(401, text="Unauthorized")
        path, body = request.url.path, json.loads(request.content or b"null")
        known = {"/": {"cluster_name": "123456789012:bitbucket"}, "/_snapshot/s3": {"s3": {"type": "s3"}}}
        if path in known:
            return httpx.Response(200, json=known[path])
        if path.startswith("/bbdc-backup-states/_doc/"):
            return self.document(request.method, path.rpartition("/")[2], body)
        if not path.startswith("/_snapshot/s3/"):
            return error(404, "repository_missing_exception", "[wrong] missing")
        return self.snapshot(request.method, path.rpartition("/")[2], body)

    def snapshot(self, method: str, name: str, body: Any) -> httpx.Response:
        """Create, show or delete a snapshot."""
        if method == "PUT":
            if name in self.snapshots:
                return error(400, "invalid_snapshot_name_exception", f"[s3:{name}] snapshot with the same name exists")
            assert body["indices"] == "bitbucket-*"
            self.snapshots[name] = {
                "snapshot": name,
                "state": "IN_PROGRESS",
                "start_time_in_millis": 1_700_000_001_500,
                "metadata": body["metadata"],
            }
            return httpx.Response(200, json={"accepted": True})
        if name == "_all":
            return httpx.Response(200, json={"snapshots": list(self.snapshots.values())})
        if name not in self.snapshots:
            return error(404, "snapshot_missing_exception", f"[s3:{name}] is missing")
        if method == "DELETE":
            del self.snapshots[name]
            return httpx.Response(200, json={"acknowledged": True})
        return httpx.Response(200, json={"snapshots": [self.snapshots[name]]})

    def document(self, method: str, name: str, body: Any) -> httpx.Response:
        """Write, show or delete a document."""
        if method == "PUT":
            self.documents[name] = body
            return httpx.Response(201, json={"result": "created"})
        if name not in self.documents:
            return httpx.Response(404, json={"found": False})
        if method == "DELETE":
            del self.documents[name]
            return httpx.Response(200, json={"result": "deleted"})
        return httpx.Response(200, json={"found": True, "_source": self.documents[name]})


def error(status: int, kind: str, reason: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"type": kind, "reason": reason}, "status": status})


@pytest.fixture
def domain() -> OpenSearch:
    return OpenSearch()


@pytest.fixture
def search(domain) -> Iterator[AwsSearch]:
    http = Http(
        credentials=Credentials(user="search", password=SecretStr("hunter22")), transport=httpx.MockTransport(domain)
    )
    yield AwsSearch(http, "https://search.example.com/", "s3", "git")
    http.close()


def test_from_beginning_to_label(search, domain):
    (source,) = search.sources()
    assert (source.id, source.role, source.problem) == ("123456789012:bitbucket", "search", "")
    (made,) = search.begin(SET, (source,))
    assert (made.id, made.state, made.at) == (NAME, SnapshotState.PENDING, None)
    (seen,) = search.snapshots(SET.id)
    assert (seen.id, seen.source, seen.at, seen.state) == (NAME, source.id, 1_700_000_001.5, SnapshotState.PENDING)
    assert seen.tags[labels.STATE] == "pending"
    domain.snapshots[NAME]["state"] = "SUCCESS"
    search.label(seen, SetState.COMPLETE)
    (done,) = search.snapshots()
    assert (done.state, done.percent, done.tags[labels.STATE]) == (SnapshotState.COMPLETED, 100, "complete")


def test_a_second_begin_finds_the_first(search):
    sources = search.sources()
    first = search.begin(SET, sources)
    assert search.begin(SET, sources)[0].id == first[0].id


def test_a_name_that_somebody_else_took_is_a_conflict(search, domain):
    domain.snapshots[NAME] = {"snapshot": NAME, "state": "SUCCESS", "metadata": None}
    with pytest.raises(Conflict):
        search.begin(SET, search.sources())
    assert search.snapshots() == ()


@pytest.mark.parametrize("state", ["FAILED", "PARTIAL"])
def test_half_an_index_is_none(search, domain, state):
    search.begin(SET, search.sources())
    domain.snapshots[NAME]["state"] = state
    (found,) = search.snapshots(SET.id)
    assert (found.state, found.problem) == (SnapshotState.FAILED, state)


def test_deleting_is_guarded_and_may_be_repeated(search, domain):
    search.begin(SET, search.sources())
    (found,) = search.snapshots(SET.id)
    search.label(found, SetState.INVALID)
    domain.snapshots[NAME]["metadata"]["backup-set"] = "another"
    with pytest.raises(Conflict):
        search.delete(found)
    domain.snapshots[NAME]["metadata"]["backup-set"] = SET.id
    search.delete(found)
    search.delete(found)
    assert (domain.snapshots, domain.documents) == ({}, {})
    with pytest.raises(NotFound):
        search.label(found, SetState.INVALID)


def test_a_repository_that_is_not_registered(domain):
    http = Http(
        credentials=Credentials(user="search", password=SecretStr("hunter22")), transport=httpx.MockTransport(domain)
    )
    (source,) = AwsSearch(http, "https://search.example.com", "wrong", "git").sources()
    assert "[wrong] missing" in source.problem
    http.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(401, text="Unauthorized"), NotAuthenticated),
        (error(403, "security_exception", "no permissions for [cluster:admin/snapshot/get]"), Forbidden),
        (error(503, "cluster_block_exception", "no master"), Unavailable),
        (error(503, "concurrent_snapshot_execution_exception", "a snapshot is already running"), Conflict),
    ],
)
def test_refusals(search, domain, answer, expected):
    domain.broken = answer
    with pytest.raises(expected) as caught:
        search.snapshots()
    assert "hunter22" not in str(caught.value)


def test_copies_are_left_to_s3(search):
    (made,) = search.begin(SET, search.sources())
    with pytest.raises(Refused) as caught:
        search.copy(made, Destination("us-east-1"), {})
    assert caught.value.name == "search_not_copied"
    assert search.copied(SET.id, Destination("us-east-1")) == ()
