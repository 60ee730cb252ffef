"""The maintenance API: what is sent, what the answers mean, and that no token is ever shown."""

from __future__ import annotations

import io
import logging

import httpx
import pytest
from pydantic import SecretStr

from automation.adapters.bitbucket.maintenance import BitbucketMaintenance
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import RedactingFilter, Redactor
from automation.ports.errors import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    Unavailable,
    Unexpected,
)

BASE = "https://bitbucket.example.com/context"
UNLOCK, CANCEL = "0d3f+unlock/token=", "77aa-cancel-token"
LOCKED = {"unlockToken": UNLOCK, "owner": {"displayName": "Administrator", "name": "admin"}}
TASK = {"id": "be6d", "progress": {"message": "m", "percentage": 0}, "state": "RUNNING", "type": "BACKUP"}
FREE = {"errors": [{"message": "The server is not locked for maintenance."}]}


@pytest.fixture
def redactor():
    return Redactor(["hunter22"])


@pytest.fixture
def made(clock, redactor):
    """Build the adapter over a function, or over one answer for everything; remember the requests."""
    opened = []

    def build(answer, user="admin"):
        seen: list[httpx.Request] = []

        def handler(request):
            seen.append(request)
            return answer(request) if callable(answer) else answer

        credentials = Credentials(user=user, password=SecretStr("hunter22"))
        http = Http(credentials=credentials, transport=httpx.MockTransport(handler))
        opened.append(http)
        return BitbucketMaintenance(http, BASE, clock, redactor, user=user), seen

    yield build
    for http in opened:
        http.close()


def reply(status, body=None, **more):
    return httpx.Response(status, json=body, **more) if body is not None else httpx.Response(status, **more)


CALLS = {
    "lock": (lambda m: m.lock(), reply(202, LOCKED), "POST", "/mvc/maintenance/lock", {}),
    "owner": (lambda m: m.owner(), reply(200, {"owner": {"name": "eve"}}), "GET", "/mvc/maintenance/lock", {}),
    "start": (
        lambda m: m.start_task(UNLOCK),
        reply(202, TASK | {"cancelToken": CANCEL}),
        "POST",
        "/mvc/admin/backups",
        {"external": "true"},
    ),
    "state": (
        lambda m: m.state(UNLOCK),
        reply(200, {"task": TASK, "db-state": "DRAINED", "scm-state": "LATCHED"}),
        "GET",
        "/mvc/maintenance",
        {},
    ),
    "progress": (
        lambda m: m.progress(UNLOCK, 100),
        reply(202),
        "POST",
        "/mvc/admin/backups/progress/client",
        {"token": UNLOCK, "percentage": "100"},
    ),
    "cancel": (lambda m: m.cancel(CANCEL), reply(202), "POST", "/mvc/maintenance", {"token": CANCEL}),
    "unlock": (lambda m: m.unlock(UNLOCK), reply(202), "DELETE", "/mvc/maintenance/lock", {"token": UNLOCK}),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_each_call_goes_once_to_its_path_with_user_and_password(made, name):
    call, answer, method, path, query = CALLS[name]
    port, seen = made(answer)
    call(port)
    (request,) = seen
    assert (request.method, request.url.path) == (method, "/context" + path)
    assert dict(request.url.params) == query
    assert request.headers["Authorization"] == "Basic YWRtaW46aHVudGVyMjI="
    assert request.headers["Content-Type"] == "application/json"
    assert request.content == b""
    carries = name in {"start", "state"}
    assert request.headers.get("X-Atlassian-Maintenance-Token") == (UNLOCK if carries else None)


def test_answers_become_values(made):
    lock = made(CALLS["lock"][1])[0].lock()
    assert (lock.token, lock.owner) == (UNLOCK, "admin")
    task = made(CALLS["start"][1])[0].start_task(UNLOCK)
    assert (task.id, task.cancel_token) == ("be6d", CANCEL)
    state = made(CALLS["state"][1])[0].state(UNLOCK)
    assert (state.task, state.database, state.scm) == ("RUNNING", "DRAINED", "LATCHED")
    assert not state.is_drained
    assert made(CALLS["owner"][1])[0].owner() == "eve"
    assert made(reply(200))[0].unlock(UNLOCK) is True
    assert UNLOCK not in repr(lock)
    assert CANCEL not in repr(task)


def test_free_and_idle_are_no_errors(made):
    port, _ = made(reply(404, FREE))
    assert (port.owner(), port.state(UNLOCK), port.unlock(UNLOCK), port.cancel(CANCEL)) == (None, None, False, None)
    with pytest.raises(Conflict, match="no backup task runs"):
        port.progress(UNLOCK, 50)


@pytest.mark.parametrize("state", ["MAINTENANCE", None])
def test_a_not_found_that_is_not_bitbuckets_own_never_counts_as_unlocked(made, state):
    def answer(request):
        if request.url.path.endswith("/status"):
            return httpx.Response(200, json={"state": state}) if state else httpx.Response(404, html="nobody")
        return httpx.Response(404, html="<title>default backend - 404</title>")

    port, seen = made(answer)
    for call in (lambda: port.unlock(UNLOCK), port.owner, lambda: port.state(UNLOCK)):
        with pytest.raises(Unexpected, match="404"):
            call()
    assert "Authorization" not in seen[1].headers


def test_an_html_not_found_counts_when_bitbucket_says_that_it_runs(made):
    def answer(request):
        status = request.url.path.endswith("/status")
        return httpx.Response(200, json={"state": "RUNNING"}) if status else httpx.Response(404, html="not found")

    assert made(answer)[0].unlock(UNLOCK) is False


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(409, {"errors": [{"message": "The server is already locked for maintenance."}]}), Conflict),
        (reply(401), NotAuthenticated),
        (reply(403, {"errors": [{"message": "You are not permitted"}]}), Forbidden),
        (reply(503, html="<title>Bitbucket</title>"), Unavailable),
        (reply(302, headers={"Location": "https://sso.example.com/login"}), NotAuthenticated),
        (reply(202, {"owner": {"name": "admin"}}), Unavailable),
        (reply(202), Unavailable),
        (reply(200, html="<title>Log in</title>"), Unexpected),
    ],
)
def test_a_lock_that_is_refused_or_lost(made, answer, error):
    with pytest.raises(error):
        made(answer)[0].lock()


def test_a_wrong_token_is_a_conflict(made):
    port, _ = made(reply(409, {"errors": [{"message": "The token does not match the lock."}]}))
    for call in (
        lambda: port.unlock(UNLOCK),
        lambda: port.state(UNLOCK),
        lambda: port.start_task(UNLOCK),
        lambda: port.progress(UNLOCK, 1),
        lambda: port.cancel(CANCEL),
    ):
        with pytest.raises(Conflict):
            call()


def test_without_a_password_nothing_is_sent(made):
    port, seen = made(reply(202, LOCKED), user="")
    assert port.user() == ""
    with pytest.raises(NotAuthenticated, match="BITBUCKET_PASSWORD"):
        port.lock()
    assert not seen


def test_a_lost_answer_shows_no_token(made, redactor):
    def broken(request):
        raise httpx.ReadError("connection reset", request=request)

    port, _ = made(broken)
    with pytest.raises(Unavailable) as caught:
        port.unlock(UNLOCK)
    assert "token" not in str(caught.value)


def test_tokens_are_hidden_wherever_they_are_written(made, redactor):
    """The HTTP library logs addresses with their queries; a server may repeat what it was sent."""

    def answer(request):
        if request.method == "POST" and request.url.path.endswith("/lock"):
            return reply(202, LOCKED)
        if request.method == "DELETE":
            return reply(409, {"errors": [{"message": f"{request.url.params['token']} is not the token"}]})
        return reply(202, TASK | {"cancelToken": CANCEL})

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(redactor))
    logger = logging.getLogger("httpx")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        port, _ = made(answer)
        port.start_task(port.lock().token)
        port.cancel(CANCEL)
        with pytest.raises(Conflict) as caught:
            port.unlock(UNLOCK)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    shown = stream.getvalue() + str(caught.value)
    assert "DELETE" in shown
    for secret in (UNLOCK, CANCEL, "unlock%2Ftoken", "0d3f", "hunter22"):
        assert secret not in shown


def test_a_token_out_of_the_journal_is_hidden_too(made, redactor):
    """Another process locked; this one only unlocks."""
    made(reply(202))[0].unlock("token-of-a-dead-process")
    assert "token-of-a-dead-process" not in redactor.text("DELETE /lock?token=token-of-a-dead-process")


def test_repositories_are_counted_page_by_page(over):
    def handler(request):
        start = int(request.url.params["start"])
        assert request.url.params["limit"] == "1000"
        values = [{"slug": f"r{n}"} for n in range(1000 if start == 0 else 7)]
        following = {"isLastPage": False, "nextPageStart": 1000} if start == 0 else {"isLastPage": True}
        return httpx.Response(200, json={"values": values, "size": len(values)} | following)

    assert over(handler).repositories() == 1007


def test_a_page_that_leads_back_is_refused(over):
    page = {"values": [{"slug": "r"}], "isLastPage": False, "nextPageStart": 0}
    with pytest.raises(Unexpected, match="page at 0"):
        over(lambda _: httpx.Response(200, json=page)).repositories()


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (httpx.Response(404), 0),
        (httpx.Response(200, json=[]), 0),
        (httpx.Response(200, json=[{"repository": {"slug": "a"}}]), 1),
        (httpx.Response(200, json={"values": [{"slug": "a"}, {"slug": "b"}], "isLastPage": True}), 2),
    ],
)
def test_inconsistent_replicas(over, answer, count):
    assert over(lambda _: answer).inconsistent_replicas() == count
