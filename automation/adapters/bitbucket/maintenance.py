"""The maintenance lock and the backup task over HTTP (``ports.maintenance.Maintenance``).

The calls lie outside ``/rest``, where Bitbucket refuses access tokens: they always carry user and password. Nothing is
tried again in here: under the lock only the engine knows how long users may wait. Tokens travel in queries, because
Bitbucket takes them nowhere else; the redactor learns each one before anything else can see it.

Source: Atlassian, *Bitbucket DIY Backup*.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from automation.adapters.bitbucket import answers, shapes
from automation.adapters.bitbucket.client import HEADERS
from automation.adapters.http import Answer, Http
from automation.adapters.logs import Redactor
from automation.ports.clock import Clock
from automation.ports.errors import Conflict, NotAuthenticated, NotFound, Unavailable, Unexpected
from automation.ports.maintenance import BackupTask, Lock, MaintenanceState

LOCK = "/mvc/maintenance/lock"
TASK = "/mvc/maintenance"
BACKUPS = "/mvc/admin/backups"
PROGRESS = "/mvc/admin/backups/progress/client"
TOKEN_HEADER = "X-Atlassian-Maintenance-Token"  # noqa: S105 -- a header's name


class BitbucketMaintenance:
    """Implements ``ports.maintenance.Maintenance``."""

    def __init__(self, http: Http, base: str, clock: Clock, redactor: Redactor, *, user: str = "") -> None:
        """Take a pool that sends user and password, and that user's name; empty when only a token is known."""
        self._http = http
        self._base = base.rstrip("/")
        self._clock = clock
        self._redactor = redactor
        self._user = user

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._http.calls

    def user(self) -> str:
        """Return the user name that locks; empty when there is no password."""
        return self._user

    def lock(self) -> Lock:
        """POST the lock, once; Unavailable also when the answer came and its token did not."""
        body = _object(self._send("POST", LOCK))
        token = str(body.get("unlockToken") or "")
        self._learn(token)
        if not token:
            raise Unavailable(f"POST {self._base}{LOCK}: the answer holds no unlock token; Bitbucket may be locked")
        return Lock(token, shapes.owner(body) or self._user)

    def owner(self) -> str | None:
        """GET the lock's owner."""
        try:
            return shapes.owner(self._send("GET", LOCK)) or "an unnamed user"
        except NotFound:
            return None

    def start_task(self, unlock_token: str) -> BackupTask:
        """POST the backup task, once."""
        body = _object(self._send("POST", BACKUPS, query={"external": "true"}, token=unlock_token))
        cancel = str(body.get("cancelToken") or "")
        self._learn(cancel)
        if not cancel:
            raise Unavailable(f"POST {self._base}{BACKUPS}: the answer holds no cancel token; a task may run")
        return BackupTask(str(body.get("id") or ""), cancel)

    def state(self, unlock_token: str) -> MaintenanceState | None:
        """GET the task and both latches."""
        try:
            return shapes.maintenance(self._send("GET", TASK, token=unlock_token))
        except NotFound:
            return None

    def progress(self, unlock_token: str, percentage: int) -> None:
        """POST the client's own progress."""
        try:
            self._send("POST", PROGRESS, query={"token": unlock_token, "percentage": str(percentage)})
        except NotFound as error:
            raise Conflict(f"{error.message}: no backup task runs", hint=error.hint) from error

    def cancel(self, cancel_token: str) -> None:
        """POST the cancel token to the task; a task that is gone is success."""
        try:
            self._send("POST", TASK, query={"token": cancel_token})
        except NotFound:
            return

    def unlock(self, unlock_token: str) -> bool:
        """DELETE the lock, once."""
        try:
            self._send("DELETE", LOCK, query={"token": unlock_token})
        except NotFound:
            return False
        return True

    def _send(self, method: str, path: str, *, query: dict[str, str] | None = None, token: str = "") -> object:
        if not self._user:
            raise NotAuthenticated(
                f"{method} {path} takes user and password: Bitbucket refuses access tokens there",
                hint="set BITBUCKET_USER and BITBUCKET_PASSWORD",
            )
        for secret in (token, (query or {}).get("token", "")):
            self._learn(secret)
        url = self._base + path
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in (query or {}).items())
        headers = {**HEADERS, **({TOKEN_HEADER: token} if token else {})}
        answer = self._http.send(method, f"{url}?{asked}" if asked else url, headers=headers)
        if answer.status == HTTPStatus.ACCEPTED and not answer.text.strip().startswith("{"):
            return None  # empty by the documentation; whatever a proxy puts there instead tells nothing
        if answer.status == HTTPStatus.NOT_FOUND:
            self._believe(answer, f"{method} {url}")
        return answers.value(answer, f"{method} {url}", now=self._clock.now(), redactor=self._redactor)

    def _believe(self, answer: Answer, doing: str) -> None:
        """Refuse a "not found" that is not Bitbucket's: taken for "not locked", it would leave everybody locked out."""
        if isinstance(answers.parse(answer.text), dict):
            return
        status = self._http.send("GET", f"{self._base}/status", headers=HEADERS, anonymous=True)
        state = shapes.status(answers.parse(status.text))
        if state in {None, "MAINTENANCE"}:
            raise Unexpected(
                f"{doing}: HTTP 404 without a word of Bitbucket's, and /status says {state or 'nothing'}",
                hint="check BITBUCKET_URL, its context path included, and what stands between here and Bitbucket",
            )

    def _learn(self, token: str) -> None:
        self._redactor.add(token)
        self._redactor.add(quote(token, safe=""))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
