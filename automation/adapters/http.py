"""HTTP: request in, answer out. The only module that knows the HTTP library.

It maps what went wrong below HTTP to the error tree, and nothing else: what a status means is for the caller.
"""

from __future__ import annotations

import email.utils
import functools
import re
import socket
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from automation.ports.errors import BbdcError, Refused, Unavailable, Unexpected, Unreachable

USER_AGENT = "bitbucket-dc-automation"
"""Not a browser's name: Bitbucket asks browsers for an XSRF token, and answers them in HTML."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A personal access token, or a user with a password; the token wins. Empty is anonymous."""

    token: SecretStr | None = None
    user: str | None = None
    password: SecretStr | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must never be shown, in all forms that travel."""
        plain = [secret.get_secret_value() for secret in (self.token, self.password) if secret]
        if self.user and self.password:
            plain.append(f"{self.user}:{self.password.get_secret_value()}")
        return tuple(plain)

    def _header(self) -> Mapping[str, str]:
        if self.token:
            return {"Authorization": f"Bearer {self.token.get_secret_value()}"}
        if self.user and self.password:
            auth = httpx.BasicAuth(self.user, self.password.get_secret_value())
            return {"Authorization": auth._auth_header}  # noqa: SLF001 - one header for all requests, built by httpx
        return {}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; Bitbucket itself waits 5 s for silent nodes before it answers about the cluster."""

    connect: float = 5.0
    read: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of any status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    text: str

    @property
    def content_type(self) -> str:
        """Media type without parameters, in lower case; empty when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def retry_after(self, now: float) -> float | None:
        """Seconds that the other side asks to wait; None when it does not say."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdigit():
            return float(value)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
        except ValueError:
            return None


class Http:
    """A connection pool to one or many hosts; safe to share between threads.

    Attributes:
        calls: requests sent so far.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        ca_bundle: Path | None = None,
        timeouts: Timeouts = Timeouts(),
        through_proxy: bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.calls = 0
        self._lock = threading.Lock()
        self._authorization = (credentials or Credentials())._header()  # noqa: SLF001 - the same module
        self._client = httpx.Client(
            verify=_tls(ca_bundle),
            timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect),
            headers={"User-Agent": USER_AGENT},
            trust_env=through_proxy,
            transport=transport,
        )
        # Whoever builds a world need not close it: connections go with the last reference.
        self._closer = weakref.finalize(self, self._client.close)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        anonymous: bool = False,
        content: bytes | None = None,
    ) -> Answer:
        """Send one request, once, and return whatever answer comes; redirects are answers.

        Args:
            method: GET, HEAD, POST, PUT or DELETE.
            url: absolute, without user or password in it.
            headers: further headers.
            anonymous: leave the credentials out.
            content: the body; its media type belongs to the headers.

        Raises:
            Unreachable: nothing was sent: no such host, closed port, no trusted TLS.
            Unavailable: no answer in time, or the connection broke; a POST may have been carried out.
            Unexpected: the answer is no HTTP.
        """
        with self._lock:
            self.calls += 1
        sent = {**(headers or {}), **({} if anonymous else self._authorization)}
        try:
            # Streamed, so that an archive of 400 MB behind a careless server is not read into memory.
            with self._client.stream(method, url, headers=sent, content=content) as response:
                return Answer(response.status_code, _lower(response.headers), _beginning(response))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _translated(error, f"{method} {shown(url)}") from error

    def close(self) -> None:
        """Close every connection."""
        self._closer()


_LONGEST = 4 * 1024 * 1024
"""Bytes read of one answer: far more than any that is asked for."""


def _beginning(response: httpx.Response) -> str:
    """Read the body, at most ``_LONGEST`` bytes of it."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > _LONGEST:
            break
    return b"".join(parts)[:_LONGEST].decode(response.charset_encoding or "utf-8", errors="replace")


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def shown(url: str) -> str:
    """Return ``url`` without its query, which may carry a signature, and without user and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", url.partition("?")[0])


@functools.cache
def _tls(ca_bundle: Path | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if ca_bundle is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        message = f"the CA bundle {ca_bundle} cannot be read: {error.strerror or error}"
        raise Refused("ca_bundle", message, hint="point BBDC_CA_BUNDLE at a PEM file") from error
    return context


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk down the chain: the library wraps the operating system's error twice."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _translated(error: Exception, doing: str) -> BbdcError:
    """The one place where the HTTP library's errors become ours."""
    if isinstance(error, httpx.ConnectError):
        return _no_connection(error, doing)
    if isinstance(error, httpx.TimeoutException):
        return Unavailable(f"{doing}: no answer in time ({type(error).__name__})")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError):
        return Unreachable(f"{doing}: this is no address: {error}", hint="write it as https://host/path")
    if isinstance(error, httpx.DecodingError):
        return Unexpected(f"{doing}: the answer cannot be decoded: {error}")
    if isinstance(error, httpx.ProxyError):
        return Unreachable(f"{doing}: the proxy refused: {error}", hint="check HTTPS_PROXY and NO_PROXY")
    return Unavailable(f"{doing}: the connection broke before the answer: {str(error) or type(error).__name__}")


def _no_connection(error: Exception, doing: str) -> Unreachable:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = "point BBDC_CA_BUNDLE at the CA that signed it, or use the name that the certificate carries"
            return Unreachable(f"{doing}: the TLS certificate is not trusted: {cause.verify_message}", hint=hint)
        if isinstance(cause, ssl.SSLError):
            hint = "is this a plain HTTP port? Check the scheme and the port of the address"
            return Unreachable(f"{doing}: no TLS there: {cause.reason or cause}", hint=hint)
        if isinstance(cause, socket.gaierror):
            return Unreachable(f"{doing}: no such host", hint="check the name, and the DNS server that you use")
        if isinstance(cause, ConnectionRefusedError):
            hint = "check host and port, and that Bitbucket or its load balancer is up"
            return Unreachable(f"{doing}: the connection was refused", hint=hint)
    return Unreachable(f"{doing}: no connection: {error}", hint="check the network path to this host")
