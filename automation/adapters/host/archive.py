"""Whether an installation archive can be fetched over HTTP. It is never fetched: it has some 400 MB.

This looks from the machine that runs the automation; nodes may have another way out. What is not there at all,
though, is not there for them either.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urljoin

from automation.adapters.http import Answer, Http, shown
from automation.ports.cloud import Problem
from automation.ports.errors import Unavailable, Unexpected, Unreachable

ATLASSIAN = "https://product-downloads.atlassian.com/software/stash/downloads/atlassian-bitbucket-{version}.tar.gz"
"""Where Atlassian offers Bitbucket; the folder has kept the product's first name."""
NAME = "archive_unreachable"
_MOST_REDIRECTS = 5
_HEAD_REFUSED = {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


class HttpArchive:
    """Implements ``ports.cloud.Archive`` for one URL template with ``{version}`` in it."""

    def __init__(self, http: Http, template: str = ATLASSIAN) -> None:
        self._http = http
        self._template = template

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._http.calls

    def problem(self, version: str) -> Problem | None:
        """Ask for the archive's headers, or its first byte where only GET is allowed."""
        return look(self._http, self._template.replace("{version}", version))


def look(http: Http, url: str) -> Problem | None:
    """Say why ``url`` could not be fetched now, or None when it could."""
    try:
        answer = _final(http, "HEAD", url)
        if answer.status in _HEAD_REFUSED:  # addresses signed for GET refuse HEAD
            answer = _final(http, "GET", url)
    except (Unreachable, Unavailable, Unexpected) as error:
        return Problem(NAME, str(error))
    return _judged(answer, shown(url))


def _final(http: Http, method: str, url: str) -> Answer:
    """Follow redirects: download sites send to the nearest copy."""
    for _ in range(_MOST_REDIRECTS):
        answer = http.send(method, url, headers={"Range": "bytes=0-0"}, anonymous=True)
        where = answer.headers.get("location")
        if not where or not HTTPStatus(300) <= answer.status < HTTPStatus(400):
            return answer
        url = urljoin(url, where)
    raise Unexpected(f"{method} {shown(url)}: more than {_MOST_REDIRECTS} redirects")


def _judged(answer: Answer, where: str) -> Problem | None:
    if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Problem(NAME, f"there is no {where}: does this version exist?")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return Problem(NAME, f"{where} answers HTTP {answer.status}")
    if answer.content_type == "text/html":
        return Problem(NAME, f"{where} is a web page, not an archive: a proxy or a login page answered")
    return None
