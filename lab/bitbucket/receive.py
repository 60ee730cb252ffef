"""Read along with a push: which references the client asked to move, and which of them Git said it moved.

Both directions of ``git receive-pack`` are pkt-lines (Git's *pack-protocol*): four hexadecimal digits of length, then
the payload; length 0 is a flush. Over sideband-64k the answer is wrapped once more, band 1 being the report.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.bitbucket.store import RefUpdate

_HEADER = 4
_ID = 40
_PATIENCE = 1 << 20
"""Bytes of commands or report that are kept; a push of so many references is not followed further."""


class PushWatcher:
    """Feed it both directions of one push, then ask what was accepted."""

    def __init__(self, *, advertised: bool = False) -> None:
        """``advertised``: the answer begins with Git's list of references, as it does over SSH."""
        self._commands = bytearray()
        self._commands_done = False
        self._report = bytearray()
        self._advertised = advertised

    def asked(self, data: bytes) -> None:
        """Take bytes that the client sent; what follows the commands is the pack, and is ignored."""
        if self._commands_done:
            return
        self._commands += data
        self._commands_done = _ends_with_flush(self._commands) or len(self._commands) > _PATIENCE

    def answered(self, data: bytes) -> None:
        """Take bytes that Git answered."""
        if len(self._report) < _PATIENCE:
            self._report += data

    def has_advertised(self) -> bool:
        """Tell whether Git's list of references is over, and what it answers from now on is the report."""
        return _ends_with_flush(self._report)

    def accepted(self) -> list[RefUpdate]:
        """Return the updates that Git reported as done."""
        done = {line[3:] for line in self._report_lines() if line.startswith("ok ")}
        return [update for update in self._updates() if update.ref in done]

    def _updates(self) -> Iterator[RefUpdate]:
        for payload in pkt_lines(bytes(self._commands)):
            if payload is None:
                return
            words = payload.split(b"\0")[0].decode(errors="replace").strip().split(" ", 2)
            if len(words) == 3 and len(words[0]) >= _ID:
                yield RefUpdate(words[2], words[0], words[1])

    def _report_lines(self) -> Iterator[str]:
        packets = list(pkt_lines(bytes(self._report)))
        if self._advertised and None in packets:
            packets = packets[packets.index(None) + 1 :]
        payloads = [payload for payload in packets if payload]
        wrapped = b"".join(payload[1:] for payload in payloads if payload[:1] == b"\x01")
        inner = [p for p in pkt_lines(wrapped) if p] if wrapped else payloads
        return (payload.decode(errors="replace").strip() for payload in inner)


def pkt_lines(data: bytes) -> Iterator[bytes | None]:
    """Yield the payload of each complete pkt-line, None for a flush; stop at what is no pkt-line."""
    at = 0
    while at + _HEADER <= len(data):
        try:
            length = int(data[at : at + _HEADER], 16)
        except ValueError:
            return
        if length < _HEADER:
            yield None
            at += _HEADER
            continue
        if at + length > len(data):
            return
        yield data[at + _HEADER : at + length]
        at += length


def _ends_with_flush(data: bytearray) -> bool:
    return any(payload is None for payload in pkt_lines(bytes(data)))
