"""The daemon's control API on loopback, with a bearer token, for the lab's own commands, machines and balancer.

GET    /routes?after=V&wait=S          the balancer's routing table, held until it is newer than V
POST   /health                         the balancer's report
GET    /status                         everything ``bbdc lab status`` shows
GET    /events?since=N                 what happened
GET    /faults  POST /faults  DELETE /faults[/NAME]
POST   /machines/{id}/unit {verb}      systemctl of a machine
POST   /machines/{id}/token {resource, client_id}  its metadata service
POST   /database {host, user, password}  the file of a database, for psql of a machine
GET    /aws, /azure                    how programs of a machine reach the cloud
POST   /children {pid, name}           a process that belongs to the lab (traffic)
POST   /stop                           end the lab
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

Handler = Callable[..., Any]
WAIT_AT_MOST = 30.0


class Refusal(Exception):
    """The request makes no sense here; the message says why."""


class Control:
    """A small HTTP server.

    Args:
        token: what callers must bring.
        handlers: (method, path rule) -> function of the request and the rule's parts; its result is sent as JSON.
        port: 0 for any free one.
    """

    def __init__(self, token: str, handlers: Mapping[tuple[str, str], Handler], port: int = 0) -> None:
        self._token = f"Bearer {token}".encode()
        self._handlers = dict(enumerate(handlers.values()))
        rules = [Rule(path, endpoint=str(number), methods=[method]) for number, (method, path) in enumerate(handlers)]
        self._map = Map(rules)
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="control", daemon=True)

    @property
    def url(self) -> str:
        """Root of the API."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def open(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        return self._respond(request)(environ, start_response)

    def _respond(self, request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), self._token):
            return _json({"message": "the control API's bearer token is missing or wrong"}, 401)
        try:
            number, parts = self._map.bind_to_environ(request.environ).match()
            return _json(self._handlers[int(number)](request, **parts))
        except HTTPException as error:
            return _json({"message": error.description}, error.code or 500)
        except Refusal as error:
            return _json({"message": str(error)}, 409)
        except (KeyError, TypeError, ValueError) as error:
            return _json({"message": f"not understood: {error!r}"}, 400)


class _Quiet(WSGIRequestHandler):  # type: ignore[misc]  # werkzeug is untyped here
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Say nothing."""


def _json(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")
