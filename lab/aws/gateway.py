"""The door of the AWS world: every request passes here, one at a time.

moto keeps its state without locks, so the gateway holds one lock around each request, but for the time in which a
volume is copied (``lab.unlocked``). Before and after the request it lets the world catch up with the clock. Faults,
wrong keys and actions that do not exist are answered here.
"""

from __future__ import annotations

import io
import json
import logging
import re
import socket
from collections.abc import Callable, Iterable
from typing import Any, cast
from urllib.parse import parse_qs

from moto.backends import get_backend

from lab.aws import errors
from lab.aws.ports import Call, Faults, Reply

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d{8}/([^/,]+)/([^/,]+)/")
_log = logging.getLogger(__name__)


class Gateway:
    """A WSGI application around moto's.

    Args:
        app: moto's dispatcher.
        lock: held during each request.
        advance: lets the world catch up with the clock; called with the lock held.
        touched: told of every call that was carried out, with the lock held.
        faults: what should go wrong.
        access_key: the only access key accepted; None accepts all.
    """

    def __init__(
        self,
        app: App,
        *,
        lock: Any,
        advance: Callable[[], None],
        touched: Callable[[Call], None],
        faults: Faults,
        access_key: str | None,
    ) -> None:
        self._app = app
        self._lock = lock
        self._advance = advance
        self._touched = touched
        self.faults = faults
        self._access_key = access_key

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        body = _body(environ)
        call = parse(environ, body)
        reply = self._refusal(environ, call) or self.faults.refuse(call)
        if reply is None:
            answer = self._carry_out(environ, call, body)
            if self.faults.lose_reply(call):
                _cut(environ)
        else:
            answer = errors.render(call, reply, environ.get("CONTENT_TYPE", ""))
        status, headers, content = answer
        start_response(status, headers)
        return [content]

    def _refusal(self, environ: Environ, call: Call) -> Reply | None:
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        if self._access_key is None or found is None or found[1] == self._access_key or _is_of_a_role(found[1]):
            return None
        if call.service == "ec2":
            return Reply(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        if "json" in environ.get("CONTENT_TYPE", ""):
            message = "The security token included in the request is invalid."
            return Reply(400, "UnrecognizedClientException", message)
        return Reply(403, "InvalidClientTokenId", "The security token included in the request is invalid.")

    def _carry_out(self, environ: Environ, call: Call, body: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
        environ["wsgi.input"] = io.BytesIO(body)
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:  # noqa: ARG001 - WSGI
            started[:] = [status, headers]

        with self._lock:
            self._advance()
            try:
                content = b"".join(self._app(environ, start))
            except NotImplementedError:
                return errors.render(call, errors.not_implemented(call), environ.get("CONTENT_TYPE", ""))
            except Exception as error:  # noqa: BLE001 - answer in the service's format, whatever moto stumbled over
                _log.exception("%s %s failed", call.service, call.action)
                reply = Reply(500, "InternalFailure", f"{type(error).__name__}: {error}")
                return errors.render(call, reply, environ.get("CONTENT_TYPE", ""))
            finally:
                self._touched(call)
                self._advance()
        status, headers = cast("str", started[0]), cast("list[tuple[str, str]]", started[1])
        if status.startswith("404") and b"<!doctype html>" in content[:50].lower():  # moto knows no such path
            return errors.render(call, errors.not_implemented(call), environ.get("CONTENT_TYPE", ""))
        return status, headers, content


def parse(environ: Environ, body: bytes) -> Call:
    """Read service and action off a request."""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = found[3].lower() if found else ""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return Call(service, target.rsplit(".", 1)[-1], body)
    form = parse_qs(body.decode("utf-8", "replace")) if b"Action=" in body else {}
    action = form.get("Action", [""])[0]
    return Call(service, action or f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}", body)


def parameters(call: Call) -> dict[str, Any]:
    """Return the parameters of a call, flat for forms (``InstanceId``, ``Targets.member.1.Id``), nested for JSON."""
    if call.body.lstrip().startswith(b"{"):
        return cast("dict[str, Any]", json.loads(call.body))
    return {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}


def _body(environ: Environ) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length:
        return cast("bytes", environ["wsgi.input"].read(length))
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        return cast("bytes", environ["wsgi.input"].read())
    return b""


def _cut(environ: Environ) -> None:
    """End the connection without an answer."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)


def _is_of_a_role(access_key: str) -> bool:
    """Say whether STS has handed this access key out."""
    return any(account["aws"].get_assumed_role_from_access_key(access_key) for account in get_backend("sts").values())
