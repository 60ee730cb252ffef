"""Heads and framings: where a message ends must not depend on how it was cut into pieces."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.balancer.http1 import Chunked, InvalidMessage, Length, parse_head, request_framing, request_line, status_line


@given(st.lists(st.binary(min_size=1, max_size=40)), st.binary(max_size=20), st.lists(st.integers(1, 30)))
def test_the_end_of_a_chunked_body_is_found_in_any_pieces(chunks: list[bytes], rest: bytes, cuts: list[int]) -> None:
    body = b"".join(b"%x;e=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nTrailer: t\r\n\r\n"
    wire, framing, passed, at = body + rest, Chunked(), 0, 0
    for cut in [*cuts, len(wire)]:
        if framing.done:
            break
        passed += framing.feed(wire[at : at + cut])
        at += cut
    assert framing.done
    assert passed == len(body)


@given(st.integers(0, 100), st.lists(st.binary(max_size=30)))
def test_a_body_of_known_length_ends_there(length: int, pieces: list[bytes]) -> None:
    framing = Length(length)
    passed = sum(framing.feed(piece) for piece in pieces)
    assert passed == min(length, sum(map(len, pieces)))
    assert framing.done == (passed == length)


@given(st.binary())
def test_no_bytes_make_the_parsers_fail_in_another_way(raw: bytes) -> None:
    for parse in (request_line, status_line, request_framing):
        with contextlib.suppress(InvalidMessage):
            parse(parse_head(raw))


def test_fields_named_by_connection_are_not_passed_on() -> None:
    head = parse_head(b"GET / HTTP/1.1\r\nConnection: X-A , close\r\nX-A: 1\r\nX-B: 2\r\nTE: trailers")
    assert head.end_to_end() == [b"X-B: 2"]


@pytest.mark.parametrize("line", [b" folded: x", b"no colon", b"space : x", b": empty"])
def test_malformed_fields_are_refused(line: bytes) -> None:
    with pytest.raises(InvalidMessage):
        parse_head(b"GET / HTTP/1.1\r\n" + line)
