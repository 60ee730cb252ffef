"""HTTP/1.1 messages as a relay sees them: heads to read and rewrite, bodies to measure.

Pure functions and small counters over bytes; no I/O. Follows RFC 9112. A message whose length is ambiguous is refused
(section 6.3), because two readers could disagree on where the next one begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

END_OF_HEAD = b"\r\n\r\n"
LARGEST_HEAD = 64 * 1024
LONGEST_SIZE_LINE = 4096

# RFC 9110 section 7.6.1, and the two that older software sends.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",  # codespell:ignore te
        b"upgrade",
        b"proxy-authorization",
        b"proxy-authenticate",
    }
)


class InvalidMessage(ValueError):
    """The peer sent bytes that are not an HTTP/1.1 message, or one whose end is ambiguous."""


class Framing(Protocol):
    """Finds the end of a body that passes by."""

    done: bool
    """The whole body has passed."""

    def feed(self, data: bytes) -> int:
        """Return how many of these bytes belong to the body."""
        ...


class Length:
    """A body of a known number of bytes."""

    __slots__ = ("done", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0

    def feed(self, data: bytes) -> int:
        """Return how many of these bytes belong to the body."""
        taken = min(len(data), self.remaining)
        self.remaining -= taken
        self.done = self.remaining == 0
        return taken


class UntilClose:
    """A body that ends with its connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> int:
        """Return how many of these bytes belong to the body: all."""
        return len(data)


class Chunked:
    """A body in chunks (RFC 9112, section 7.1), with its trailers."""

    __slots__ = ("_line", "_skip", "_trailers", "done")

    def __init__(self) -> None:
        self.done = False
        self._line = b""
        self._skip = 0
        self._trailers = False

    def feed(self, data: bytes) -> int:
        """Return how many of these bytes belong to the body, chunk sizes and trailers included.

        Raises:
            InvalidMessage: a chunk size is not a number.
        """
        at = 0
        while at < len(data) and not self.done:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
            else:
                at = self._read_line(data, at)
        return at

    def _read_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            if len(self._line) > LONGEST_SIZE_LINE:
                raise InvalidMessage("a chunk size line does not end")
            return len(data)
        line, self._line = (self._line + data[at:end]).rstrip(b"\r"), b""
        if self._trailers:
            self.done = not line
        else:
            self._start_chunk(line)
        return end + 1

    def _start_chunk(self, line: bytes) -> None:
        digits = line.partition(b";")[0].strip()
        if not digits or digits.strip(b"0123456789abcdefABCDEF"):
            raise InvalidMessage(f"not a chunk size: {line[:40]!r}")
        size = int(digits, 16)
        self._trailers = size == 0
        self._skip = size + 2 if size else 0


@dataclass(frozen=True, slots=True)
class Head:
    """The start line and the header fields of a message, in their order."""

    start: bytes
    fields: tuple[tuple[bytes, bytes, bytes], ...]
    """(name in lower case, value, the line as it came)"""

    def get(self, name: bytes) -> bytes | None:
        """Return the values of a field joined by commas, None when it is absent."""
        values = [value for key, value, _ in self.fields if key == name]
        return b", ".join(values) if values else None

    def all(self, name: bytes) -> list[bytes]:
        """Return the values of a field one by one (Set-Cookie must not be joined)."""
        return [value for key, value, _ in self.fields if key == name]

    def end_to_end(self, *dropped: bytes) -> list[bytes]:
        """Return the field lines that a relay passes on: not the hop-by-hop ones, nor those in ``dropped``."""
        named = self.get(b"connection")
        drop = HOP_BY_HOP.union(dropped)
        if named:
            drop |= {token.strip().lower() for token in named.split(b",")}
        return [line for key, _, line in self.fields if key not in drop]


def parse_head(raw: bytes) -> Head:
    """Parse a head without its empty line.

    Raises:
        InvalidMessage: a line is folded, has no colon, or has white space before it.
    """
    start, *lines = raw.split(b"\r\n")
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[-1:].isspace() or name[:1].isspace():
            raise InvalidMessage(f"not a header field: {line[:60]!r}")
        fields.append((name.lower(), value.strip(b" \t"), line))
    return Head(start, tuple(fields))


def request_line(head: Head) -> tuple[bytes, bytes, int]:
    """Return (method, target, minor version) of a request's head."""
    parts = head.start.split(b" ")
    if len(parts) != 3 or parts[2] not in {b"HTTP/1.0", b"HTTP/1.1"} or not parts[0].isalpha():
        raise InvalidMessage(f"not a request: {head.start[:60]!r}")
    return parts[0], parts[1], int(parts[2][-1:])


def status_line(head: Head) -> tuple[int, int]:
    """Return (status, minor version) of a response's head."""
    parts = head.start.split(b" ", 2)
    known = parts[0] in {b"HTTP/1.0", b"HTTP/1.1"} and len(parts) > 1
    if not known or len(parts[1]) != 3 or not parts[1].isdigit():
        raise InvalidMessage(f"not a response: {head.start[:60]!r}")
    return int(parts[1]), int(parts[0][-1:])


def request_framing(head: Head) -> Framing:
    """Return what measures the body of a request."""
    return _declared_framing(head) or Length(0)


def response_framing(head: Head, method: bytes, status: int) -> Framing:
    """Return what measures the body of a final response to ``method``."""
    if method == b"HEAD" or status in {204, 304}:
        return Length(0)
    return _declared_framing(head) or UntilClose()


def keeps_alive(head: Head, minor: int) -> bool:
    """Tell whether the sender means to use the connection again."""
    tokens = (head.get(b"connection") or b"").lower()
    return b"close" not in tokens and (minor == 1 or b"keep-alive" in tokens)


def _declared_framing(head: Head) -> Framing | None:
    coding = head.get(b"transfer-encoding")
    lengths = head.all(b"content-length")
    if coding is not None:
        if lengths or coding.lower() != b"chunked":
            raise InvalidMessage("the body's length is ambiguous")
        return Chunked()
    if not lengths:
        return None
    if len(set(lengths)) > 1 or not lengths[0].isdigit():
        raise InvalidMessage("Content-Length is not one number")
    return Length(int(lengths[0]))
