"""The installation archive: found, missing, moved, hidden behind a login page."""

from __future__ import annotations

import httpx
import pytest

from automation.adapters.host.archive import ATLASSIAN, HttpArchive
from automation.adapters.http import Http

HERE = "https://mirror.example.com/bitbucket-{version}.tar.gz"


def problem_of(handler, template=HERE):
    http = Http(transport=httpx.MockTransport(handler))
    try:
        return HttpArchive(http, template).problem("7.9.4")
    finally:
        http.close()


def says(*responses):
    rest = list(responses)
    return lambda _request: rest.pop(0)


def test_an_archive_that_is_there():
    seen = []

    def handler(request):
        seen.append((request.method, str(request.url), request.headers.get("Authorization")))
        return httpx.Response(200, headers={"Content-Type": "application/gzip"})

    assert problem_of(handler) is None
    assert seen == [("HEAD", "https://mirror.example.com/bitbucket-7.9.4.tar.gz", None)]


def test_atlassians_address_is_the_one_that_serves_bitbucket():
    assert ATLASSIAN.replace("{version}", "7.9.4").endswith(
        "/software/stash/downloads/atlassian-bitbucket-7.9.4.tar.gz"
    )


def test_a_redirect_to_the_nearest_copy_is_followed():
    copy = httpx.Response(302, headers={"Location": "/copies/7.9.4.tar.gz"})
    assert problem_of(says(copy, httpx.Response(206))) is None


def test_an_address_that_allows_get_only_is_asked_for_one_byte():
    seen = []

    def handler(request):
        seen.append((request.method, request.headers.get("Range")))
        return httpx.Response(403 if request.method == "HEAD" else 206)

    assert problem_of(handler) is None
    assert seen[-1] == ("GET", "bytes=0-0")


def test_a_server_that_ignores_the_range_is_not_read_to_the_end():
    sent = 0

    def body():
        nonlocal sent
        for _ in range(4096):
            sent += 65536
            yield b"x" * 65536

    assert problem_of(says(httpx.Response(405), httpx.Response(200, content=body()))) is None
    assert sent < 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (says(httpx.Response(404)), "does this version exist"),
        (says(httpx.Response(403), httpx.Response(403)), "HTTP 403"),
        (says(httpx.Response(500)), "HTTP 500"),
        (says(httpx.Response(200, html="<title>Log in</title>")), "login page"),
        (lambda _request: httpx.Response(302, headers={"Location": "/again"}), "redirects"),
    ],
)
def test_what_is_wrong_is_said(handler, said):
    problem = problem_of(handler)
    assert problem is not None
    assert problem.name == "archive_unreachable"
    assert said in problem.message


def test_a_host_that_does_not_answer_is_a_problem_not_an_error():
    def silent(_request):
        message = "no answer"
        raise httpx.ConnectTimeout(message)

    problem = problem_of(silent)
    assert problem is not None
    assert "mirror.example.com" in problem.message


def test_credentials_and_signatures_in_the_address_are_not_shown():
    secret = "https://user:hunter22@mirror.example.com/{version}.tgz?X-Amz-Signature=abcdef"
    for handler in (says(httpx.Response(404)), lambda _request: httpx.Response(302, headers={"Location": "?again=1"})):
        problem = problem_of(handler, secret)
        assert problem is not None
        assert "hunter22" not in problem.message
        assert "abcdef" not in problem.message
