"""A strict HTTP/1.1 client: one request is sent exactly once, and nothing that goes wrong is hidden.

General clients repeat a request on a fresh connection when a kept one breaks. That would hide what this load is there
to find. Kept connections are given up well before any server would close them, so a break is never the client's fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lab.balancer import http1

KEEP_SECONDS = 5.0
"""Longest rest of a kept connection before it is used again."""

LARGEST_LINE = 64 * 1024


class Broken(Exception):
    """The connection broke, or the server did not speak HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    head: http1.Head
    body: bytes

    @property
    def upstream(self) -> str | None:
        """The machine that answered, as the lab's balancer tells it; else the node's own name."""
        value = self.head.get(b"x-upstream") or self.head.get(b"x-anodeid")
        return value.decode("latin-1") if value else None

    @property
    def reason(self) -> str:
        """Why the balancer answered itself; empty when it did not."""
        return (self.head.get(b"x-balancer-reason") or b"").decode("latin-1")


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.used = 0.0

    def usable(self, now: float) -> bool:
        return now - self.used < KEEP_SECONDS and not self.reader.at_eof() and not self.writer.is_closing()


class Client:
    """Keeps connections to one server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"only http:// is spoken here, not {url}")
        self.host, self.port = parts.hostname, parts.port or 80
        self._idle: list[_Connection] = []

    async def request(
        self, method: str, path: str, fields: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Answer:
        """Send one request and read the whole response.

        Raises:
            Broken: no connection, or it broke; TimeoutError: it took longer than ``seconds``.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        lines += [f"Content-Length: {len(body)}"] if body or method not in {"GET", "HEAD"} else []
        wire = "\r\n".join([*lines, "", ""]).encode() + body
        async with asyncio.timeout(seconds):
            return await self._exchange(await self._connection(), method, wire)

    def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            kept = self._idle.pop()  # a name of its own: a writer that is forgotten first complains
            kept.writer.transport.abort()

    async def _connection(self) -> _Connection:
        now = asyncio.get_running_loop().time()
        while self._idle:
            kept = self._idle.pop()
            if kept.usable(now):
                return kept
            kept.writer.transport.abort()
        try:
            return _Connection(*await asyncio.open_connection(self.host, self.port, limit=LARGEST_LINE))
        except OSError as error:
            raise Broken(f"no connection: {error}") from error

    async def _exchange(self, connection: _Connection, method: str, wire: bytes) -> Answer:
        keep = False
        try:
            connection.writer.write(wire)
            answer, keep = await _read_answer(connection.reader, method.encode())
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise Broken(f"{type(error).__name__}: {error}") from error
        finally:
            if keep:
                connection.used = asyncio.get_running_loop().time()
                self._idle.append(connection)
            else:
                connection.writer.transport.abort()
        return answer


async def _read_answer(reader: asyncio.StreamReader, method: bytes) -> tuple[Answer, bool]:
    """Read a response; tell whether the connection may be used again."""
    while True:
        raw = await reader.readuntil(http1.END_OF_HEAD)
        head = http1.parse_head(raw[: -len(http1.END_OF_HEAD)])
        status, minor = http1.status_line(head)
        if status >= 200:
            break
    framing = http1.response_framing(head, method, status)
    if isinstance(framing, http1.Length):
        body = await reader.readexactly(framing.remaining)
    elif isinstance(framing, http1.Chunked):
        body = await _read_chunks(reader)
    else:
        return Answer(status, head, await reader.read(-1)), False
    return Answer(status, head, body), http1.keeps_alive(head, minor)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return b"".join(pieces)
