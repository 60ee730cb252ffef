"""Requests to the lab's Azure Resource Manager: signed in, repeated where that is safe, waited for until over."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from lab.pulumi.aws.values import Properties

LATER = 1.0
"""Seconds between two looks at an operation whose answer names no time."""
TIRELESS = 60.0
"""Seconds for which a request is repeated that came at a bad moment."""
BAD_MOMENTS = frozenset({"AnotherOperationInProgress", "RetryableError", "ServerIsBusy", "TooManyRequests"})


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls, and where.

    Attributes:
        endpoint: Base URL of Azure Resource Manager.
        authority: Base URL of sign-in.
        tenant, client, secret, subscription: As azure-identity has them.
        object_id: Of the principal; empty where nobody said.
        ca: File with the certificate that the endpoints' are signed by; None for the system's.
        location: Region of resources whose group says none.
    """

    endpoint: str
    authority: str
    tenant: str
    client: str
    secret: str = field(repr=False)
    subscription: str
    ca: str | None = None
    location: str = ""
    object_id: str = ""


class Refused(Exception):
    """Azure answered with an error.

    Args:
        status: HTTP status; 0 when an operation ended in failure.
        code, message: As Azure words them.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message


class AlreadyThere(Exception):
    """A resource that was to be made is there already."""


class Cancelled(Exception):
    """The engine asked to stop."""


class Arm:
    """Azure Resource Manager for one account; any number of threads may use it.

    Args:
        account: Who calls.
        cancelled: Set when every wait should end.
    """

    def __init__(self, account: Account, cancelled: threading.Event) -> None:
        self.account = account
        self._cancelled = cancelled
        trust = ssl.create_default_context(cafile=account.ca)
        self._http = httpx.Client(verify=trust, timeout=60.0, trust_env=False)
        self._token = ""
        self._signing = threading.Lock()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    # --- requests ------------------------------------------------------------------------------------------------

    def get(self, path: str, version: str) -> Properties | None:
        """Return a document; None where there is none. Raises Refused."""
        try:
            return self.read(path, version)
        except Refused as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def read(self, path: str, version: str) -> Properties:
        """Return a document. Raises Refused, also where there is none."""
        return dict(self._send("GET", self._url(path, version)).json())

    def put(self, path: str, version: str, body: Properties, seconds: float) -> None:
        """Ask for a resource and wait until the operation is over. Raises Refused, Cancelled, TimeoutError."""
        self._finished(self._persistent("PUT", path, version, body), seconds)

    def delete(self, path: str, version: str, seconds: float) -> None:
        """Delete a resource and wait until it is gone. Raises Refused, Cancelled, TimeoutError."""
        try:
            self._finished(self._persistent("DELETE", path, version, None), seconds)
        except Refused as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def post(self, path: str, version: str, body: Properties) -> Properties:
        """Ask a question that needs a POST, such as listKeys. Raises Refused."""
        return dict(self._send("POST", self._url(path, version), body).json())

    def token(self) -> str:
        """Return a token for Azure Resource Manager. Raises Refused."""
        with self._signing:
            if not self._token:
                self._token = self._sign_in()
            return self._token

    # --- inner workings ------------------------------------------------------------------------------------------

    def _url(self, path: str, version: str) -> str:
        return f"{self.account.endpoint}{path}?api-version={version}"

    def _persistent(self, method: str, path: str, version: str, body: Properties | None) -> httpx.Response:
        """Send a change, again and again while it comes at a bad moment."""
        deadline = time.monotonic() + TIRELESS
        while True:
            try:
                return self._send(method, self._url(path, version), body)
            except Refused as error:
                if error.code not in BAD_MOMENTS or time.monotonic() >= deadline:
                    raise
                self._wait(LATER)

    def _finished(self, answer: httpx.Response, seconds: float) -> None:
        """Wait for the operation that an answer names, if it names one."""
        deadline = time.monotonic() + seconds
        url, monitored = answer.headers.get("Azure-AsyncOperation"), False
        if not url and answer.status_code == httpx.codes.ACCEPTED:
            url, monitored = answer.headers.get("Location"), True
        while url:
            answer = self._send("GET", url)
            if answer.status_code != httpx.codes.ACCEPTED if monitored else _is_over(answer.json()):
                return
            if time.monotonic() >= deadline:
                raise TimeoutError(f"the operation was not over after {seconds:.0f} s")
            self._wait(_later(answer))

    def _wait(self, seconds: float) -> None:
        if self._cancelled.wait(seconds):
            raise Cancelled("the engine asked to stop")

    def _send(self, method: str, url: str, body: Properties | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token()}"}
        answer = self._http.request(method, url, headers=headers, json=body)
        if answer.is_success:
            return answer
        raise _refused(answer)

    def _sign_in(self) -> str:
        account = self.account
        answer = self._http.post(
            f"{account.authority.rstrip('/')}/{account.tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": account.client,
                "client_secret": account.secret,
                "scope": "https://management.azure.com/.default",
            },
        )
        if not answer.is_success:
            told = answer.json()
            raise Refused(answer.status_code, str(told.get("error")), str(told.get("error_description")))
        return str(answer.json()["access_token"])


def _later(answer: httpx.Response) -> float:
    """Return after how many seconds to ask again."""
    exact = answer.headers.get("x-ms-retry-after-ms") or answer.headers.get("retry-after-ms")
    return float(exact) / 1000 if exact else min(float(answer.headers.get("Retry-After") or LATER), LATER)


def _is_over(told: Any) -> bool:
    """Tell whether an operation is over. Raises Refused when it failed."""
    status = str(told.get("status"))
    if status in {"Failed", "Canceled"}:
        error = told.get("error") or {}
        raise Refused(0, str(error.get("code") or status), str(error.get("message") or f"the operation is {status}"))
    return status == "Succeeded"


def _refused(answer: httpx.Response) -> Refused:
    try:
        told = answer.json()
    except ValueError:
        told = {}
    error = told.get("error") if isinstance(told, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or f"HTTP {answer.status_code}")
    return Refused(answer.status_code, code, str(error.get("message") or answer.text[:300]))
