"""Bitbucket's REST API over HTTP: headers, bounded retries of reads, answers turned into values or errors."""

from __future__ import annotations

import json

from automation.adapters.bitbucket import answers
from automation.adapters.http import Answer, Http
from automation.adapters.logs import Redactor
from automation.ports.clock import Clock
from automation.ports.errors import Refused, Unavailable

HEADERS = {
    "Accept": "application/json, */*;q=0.1",
    "Content-Type": "application/json",
    "X-Atlassian-Token": "no-check",  # switches the XSRF check of POST requests off, for non-browsers
}
WAITS = (0.5, 2.0)
"""Seconds before the second and the third try of a read: enough for a node that has just left the balancer."""
PATIENCE = 5.0
"""Longest wait in here; asked for more, the caller decides, because only it knows what is at stake."""


class Client:
    """One Bitbucket base URL."""

    def __init__(self, http: Http, base: str, clock: Clock, redactor: Redactor) -> None:
        if "@" in base.partition("://")[2].partition("/")[0]:
            hint = "use BITBUCKET_USER and BITBUCKET_PASSWORD, or BITBUCKET_TOKEN"
            raise Refused("credentials_in_url", "the Bitbucket URL contains a user or a password", hint=hint)
        self._http = http
        self._base = base.rstrip("/")
        self._clock = clock
        self._redactor = redactor

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._http.calls

    def get(self, path: str, *, anonymous: bool = False) -> object:
        """Read ``path``, trying again for a moment when nobody answers.

        Raises:
            BbdcError: see ``answers.value``.
        """
        for wait in WAITS:
            try:
                return self._value("GET", path, anonymous=anonymous)
            except Unavailable as error:
                if error.after is not None and error.after > PATIENCE:
                    raise
                self._clock.sleep(wait if error.after is None else error.after)
        return self._value("GET", path, anonymous=anonymous)

    def post(self, path: str) -> object:
        """Act, once: after a lost reply the caller must look before it acts again.

        Raises:
            BbdcError: see ``answers.value``.
        """
        return self._value("POST", path)

    def change(self, method: str, path: str, body: object = None) -> object:
        """PUT or DELETE, which may be repeated by whoever lost the reply; ``body`` is sent as JSON.

        Raises:
            BbdcError: see ``answers.value``.
        """
        return self._value(method, path, content=None if body is None else json.dumps(body).encode())

    def raw(self, path: str) -> Answer:
        """Read ``path`` once, without credentials, whatever the status."""
        return self._http.send("GET", self._base + path, headers=HEADERS, anonymous=True)

    def _value(self, method: str, path: str, *, anonymous: bool = False, content: bytes | None = None) -> object:
        url = self._base + path
        answer = self._http.send(method, url, headers=HEADERS, anonymous=anonymous, content=content)
        return answers.value(answer, f"{method} {url}", now=self._clock.now(), redactor=self._redactor)
