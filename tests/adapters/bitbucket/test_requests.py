"""What is sent: paths, headers and credentials."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from automation.adapters.bitbucket.client import Client
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import Redactor
from automation.ports.errors import Refused


@pytest.fixture
def seen():
    return []


@pytest.fixture
def recorded(over, seen):
    def handler(request):
        seen.append(request)
        return httpx.Response(200, json={"state": "STABLE", "nodes": [], "version": "7.9.0"})

    return over(handler)


def test_every_request_looks_like_a_script_not_a_browser(recorded, seen):
    recorded.start_upgrade()
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "https://bitbucket.example.com/rest/zdu/start")
    assert request.content == b""
    assert request.headers["X-Atlassian-Token"] == "no-check"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"].startswith("application/json")
    assert request.headers["Authorization"] == "Bearer NjE2-very-secret-token"
    assert "Mozilla" not in request.headers["User-Agent"]


def test_the_acts_go_to_the_paths_that_exist(recorded, seen):
    recorded.cluster()
    recorded.cancel_upgrade()
    recorded.approve_upgrade()
    assert [(r.method, r.url.path) for r in seen] == [
        ("GET", "/rest/zdu/cluster"),
        ("POST", "/rest/zdu/cancel"),
        ("POST", "/rest/zdu/approve"),
    ]


def test_a_token_is_never_sent_outside_rest(recorded, seen):
    """Newer versions refuse it there, and repeated refusals lock the account."""
    recorded.status()
    recorded.application()
    assert [r.url.path for r in seen] == ["/status", "/rest/api/latest/application-properties"]
    assert all("Authorization" not in r.headers for r in seen)


def test_user_and_password_are_sent_as_basic(clock):
    seen = []

    def handler(request):
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json={})

    http = Http(
        credentials=Credentials(user="admin", password=SecretStr("pä:ss")), transport=httpx.MockTransport(handler)
    )
    Client(http, "https://h/bitbucket/", clock, Redactor()).get("/rest/x")
    assert seen == ["Basic YWRtaW46cMOkOnNz"]


def test_a_url_with_credentials_is_refused_without_showing_them(clock):
    with pytest.raises(Refused) as caught:
        Client(Http(), "https://admin:hunter22@h/", clock, Redactor())
    assert "hunter22" not in str(caught.value)


def test_credentials_have_no_visible_form():
    credentials = Credentials(SecretStr("tok-12345"), "admin", SecretStr("hunter22"))
    assert "tok-12345" not in repr(credentials)
    assert "hunter22" not in f"{credentials} {Redactor(credentials.secrets)!r}"
