"""HTTPS servers of the Azure world: 127.0.0.1 only, one thread a connection, one write a response."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from lab.azure.messages import Answer, Request

Handle = Callable[[Request], Answer]
PATIENCE = 60.0
"""Seconds that an idle connection is kept."""


class _Connection(BaseHTTPRequestHandler):
    """One connection, over which requests come one after the other."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "lab", ""
    wbufsize = -1  # headers and body leave together: two writes would wait 40 ms for each other
    disable_nagle_algorithm = True
    timeout = PATIENCE
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the world's log is for what matters."""

    def handle(self) -> None:
        """Serve until the client has enough."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # the client went away: nothing is left to answer
            super().handle()

    def _serve(self) -> None:
        answer = self.server.answer(self._request())
        if answer.cut:
            self.close_connection = True
            _hang_up(self.connection)
            return
        content = answer.content()
        self.send_response_only(answer.status)  # the time in the answer is the world's, not the computer's
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204 and "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        query = {name.lower(): value for name, value in reversed(parse_qsl(parts.query, keep_blank_values=True))}
        return Request(
            method=self.command,
            path=unquote(parts.path),
            raw=self.path,
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
            base=f"https://{self.headers['Host']}",
        )

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names


class _Listener(ThreadingHTTPServer):
    """One port."""

    daemon_threads = False  # server_close() waits for them

    def __init__(self, port: int, context: ssl.SSLContext, answer: Handle) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.answer = answer
        self._context = context
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ending = False

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, then serve."""
        request.settimeout(PATIENCE)
        with contextlib.suppress(OSError):  # a client that does not trust the lab's authority, is gone, says nothing
            # The handshake comes second: until it is over the socket has to be known to hang_up().
            secured = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            with secured, self._known(secured):
                secured.do_handshake()
                super().finish_request(secured, client_address)

    @contextlib.contextmanager
    def _known(self, connection: socket.socket) -> Iterator[None]:
        """Let ``hang_up`` know a connection while it is in use."""
        with self._guard:
            self._open.add(connection)
            if self._ending:
                _hang_up(connection)
        try:
            yield
        finally:
            with self._guard:
                self._open.discard(connection)

    def hang_up(self) -> None:
        """End every open connection."""
        with self._guard:
            self._ending = True
            for connection in self._open:
                _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    """Cut a connection below its TLS, so that a thread which reads from it sees its end."""
    with contextlib.suppress(OSError):  # the client was quicker
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Server:
    """Any number of ports under one certificate."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listeners: list[tuple[_Listener, threading.Thread]] = []

    def listen(self, answer: Handle, port: int = 0) -> str:
        """Serve one more port, any free one for 0; return its URL."""
        listener = _Listener(port, self._context, answer)
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,), name="azure", daemon=True)
        thread.start()
        self._listeners.append((listener, thread))
        return f"https://127.0.0.1:{listener.server_port}"

    def stop(self) -> None:
        """Stop serving and close every socket."""
        for listener, thread in self._listeners:
            listener.shutdown()
            thread.join()
            listener.hang_up()
            listener.server_close()
