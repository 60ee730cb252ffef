"""The HTTP relay between real clients and real upstreams."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest

from tests.lab.balancer.world import COOKIE, Node, World, free_port, run, until, world

MIB = 2**20
SESSION = {"cookie": COOKIE, "seconds": 60}


def test_requests_are_spread_over_all_healthy_targets() -> None:
    async def scenario() -> None:
        a, b, c = Node("i-a"), Node("i-b"), Node("i-c")
        async with world(a, b, c) as (_, http):
            answers = Counter([await (await http.get("/x")).text() for _ in range(30)])
            assert answers == {"i-a": 10, "i-b": 10, "i-c": 10}

    run(scenario)


def test_the_least_busy_target_is_preferred() -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        async with world(a, b) as (_, http):
            waiting = asyncio.create_task(http.get("/wait"))
            await until(lambda: a.arrived.is_set() or b.arrived.is_set())
            busy, free = (a, b) if a.arrived.is_set() else (b, a)
            answers = {await (await http.get("/x")).text() for _ in range(10)}
            assert answers == {free.id}
            busy.go_on.set()
            assert (await waiting).status == 200

    run(scenario)


def test_a_target_sees_who_asked_and_no_hop_by_hop_field() -> None:
    async def scenario() -> None:
        node = Node("i-a")
        async with world(node) as (made, http):
            head = {"X-Forwarded-For": "10.1.1.1", "Connection": "keep-alive, X-Mine", "X-Mine": "1", "X-Kept": "2"}
            answer = await http.get("/x?q=1", headers=head)
            assert answer.headers["X-Upstream"] == "i-a"
            seen = node.heads[-1]
            assert seen["X-Forwarded-For"] == "10.1.1.1, 127.0.0.1"
            assert (seen["X-Forwarded-Proto"], seen["X-Forwarded-Port"]) == ("http", str(made.port))
            assert seen["Host"] == f"127.0.0.1:{made.port}"
            assert "X-Mine" not in seen
            assert "Connection" not in seen
            assert seen["X-Kept"] == "2"

    run(scenario)


def test_no_target_is_503_and_one_healthy_again_serves() -> None:
    async def scenario() -> None:
        node = Node("i-a", state="gone")
        async with world(node) as (made, http):
            answer = await http.get("/x")
            assert (answer.status, answer.headers["Server"]) == (503, "awselb/2.0")
            assert (await http.post("/x", data=b"y" * MIB)).status == 503
            await made.set_state(node, "registered")
            await made.until_healthy()
            assert (await http.get("/x")).status == 200

    run(scenario)


def test_a_target_in_its_first_checks_gets_no_request() -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b", status=503)
        async with world(a) as (made, http):
            made.nodes[b.id] = b
            await b.start()
            await made.apply()
            answers = {await (await http.get("/x")).text() for _ in range(20)}
            assert answers == {"i-a"}

    run(scenario)


def test_all_unhealthy_fails_open() -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        async with world(a, b) as (made, http):
            a.status = b.status = 500
            await until(lambda: set(made.healthy().values()) == {False})
            answers = {await (await http.get("/x")).text() for _ in range(4)}
            assert answers == {"i-a", "i-b"}

    run(scenario)


def test_an_unhealthy_target_gets_no_request_while_another_serves() -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        async with world(a, b) as (made, http):
            a.status = 503
            await until(lambda: made.healthy()["i-a"] is False)
            a.seen.clear()
            assert {await (await http.get("/x")).text() for _ in range(20)} == {"i-b"}
            assert a.seen == []

    run(scenario)


def test_a_target_that_refuses_connections_is_502() -> None:
    async def scenario() -> None:
        node = Node("i-a")
        async with world(node) as (_, http):
            assert (await http.get("/x")).status == 200
            await node.stop()
            answer = await http.get("/x")
            assert (answer.status, answer.headers["X-Upstream"]) == (502, "i-a")
            assert "refused" in answer.headers["X-Balancer-Reason"]

    run(scenario)


def test_a_target_that_breaks_before_it_answers_is_502_and_asked_once() -> None:
    async def scenario() -> None:
        node = Node("i-a")
        async with world(node) as (_, http):
            assert (await http.get("/break")).status == 502
            assert node.seen == ["/break"]
            assert (await http.get("/x")).status == 200  # leaves a kept connection behind
            answer = await http.post("/break", data=b"x")  # must not be sent twice
            assert (answer.status, answer.headers["X-Upstream"]) == (502, "i-a")
            assert node.seen == ["/break", "/x", "/break"]

    run(scenario)


def test_a_target_that_breaks_in_mid_answer_cuts_the_client_off() -> None:
    async def scenario() -> None:
        async with world(Node("i-a")) as (_, http):
            answer = await http.get("/cut")
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()

    run(scenario)


def test_a_kept_connection_that_the_target_closed_fails_nobody() -> None:
    """The target closes each connection after a moment of rest; every request must still succeed."""

    async def scenario() -> None:
        closed = 0
        handlers: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal closed
            handlers.add(cast("asyncio.Task[None]", asyncio.current_task()))
            first = True
            while head := await _head(reader):
                if b" /x " in head and not first:
                    closed += 1
                    break  # a request on a kept connection: close it without a byte
                first = first and b" /x " not in head
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            writer.close()

        port = free_port()
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        ghost = Node("i-a", port=free_port())
        async with world(ghost) as (made, http):
            ghost.port, ghost.since = port, 2
            await made.apply()
            await made.until_healthy()
            for _ in range(20):
                answer = await http.get("/x")
                assert (answer.status, await answer.text()) == (200, "ok")
        server.close()
        await asyncio.gather(*handlers)
        await asyncio.sleep(0.01)
        assert closed > 5

    run(scenario)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def test_a_silent_target_is_504_after_the_idle_timeout() -> None:
    async def scenario() -> None:
        node = Node("i-a")
        async with world(node) as (made, http):
            made.idle_timeout = 0.3
            await made.apply()
            began = time.monotonic()
            answer = await http.get("/wait")
            assert answer.status == 504
            assert 0.25 < time.monotonic() - began < 3
            assert made.open(node) == 0

    run(scenario)


def test_a_session_stays_with_its_target_and_moves_when_that_drains() -> None:
    async def scenario() -> None:
        nodes = [Node("i-a"), Node("i-b"), Node("i-c")]
        async with world(*nodes, sticky=SESSION) as (made, http):
            home = await (await http.get("/login")).text()
            assert {await (await http.get("/x")).text() for _ in range(12)} == {home}
            await made.set_state(made.nodes[home], "draining")
            moved = await (await http.get("/x")).text()
            assert moved != home
            assert {await (await http.get("/x")).text() for _ in range(12)} == {moved}
            # back in service, the session stays where it went to
            await made.set_state(made.nodes[home], "registered")
            await made.until_healthy()
            assert {await (await http.get("/x")).text() for _ in range(12)} == {moved}

    run(scenario)


GATEWAY = {"cookie": None, "seconds": 600, "name": "ApplicationGatewayAffinity", "while_draining": True}


def test_a_gateway_binds_whoever_comes_and_goes_on_to_a_draining_target_until_that_is_gone() -> None:
    async def scenario() -> None:
        nodes = [Node("i-a"), Node("i-b"), Node("i-c")]
        async with world(*nodes, sticky=GATEWAY) as (made, http):
            first = await http.get("/x")
            home = await first.text()
            assert first.cookies["ApplicationGatewayAffinity"].value
            await made.set_state(made.nodes[home], "draining")
            assert {await (await http.get("/x")).text() for _ in range(12)} == {home}
            async with aiohttp.ClientSession(base_url=made.url) as unbound:
                assert home not in {await (await unbound.get("/x")).text() for _ in range(12)}
            await made.set_state(made.nodes[home], "gone")
            moved = await (await http.get("/x")).text()
            assert moved != home
            assert {await (await http.get("/x")).text() for _ in range(12)} == {moved}

    run(scenario)


def test_a_request_of_a_group_that_does_not_cut_is_finished_after_the_draining_time() -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        async with world(a, b, cuts=False) as (made, http):
            await made.set_state(b, "draining")
            waiting = asyncio.create_task(http.get("/wait"))
            await a.arrived.wait()
            await made.set_state(b, "registered")
            await made.set_state(a, "gone")
            a.go_on.set()
            assert (await waiting).status == 200

    run(scenario)


def test_a_session_is_bound_only_by_both_cookies() -> None:
    async def scenario() -> None:
        async with world(Node("i-a"), Node("i-b"), sticky=SESSION) as (made, http):
            answer = await http.get("/login")
            mine, theirs = answer.cookies["AWSALBAPP-0"].value, answer.cookies[COOKIE].value
            for cookies in ({"AWSALBAPP-0": mine}, {COOKIE: theirs}, {"AWSALBAPP-0": mine, COOKIE: "another"},
                            {"AWSALBAPP-0": mine[:-1] + "!", COOKIE: theirs}):  # fmt: skip
                async with aiohttp.ClientSession(
                    base_url=made.url, cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)
                ) as other:
                    assert {await (await other.get("/x")).text() for _ in range(8)} == {"i-a", "i-b"}

    run(scenario)


def test_an_open_request_survives_the_deregistration() -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b", state="gone")
        async with world(a, b) as (made, http):
            waiting = asyncio.create_task(http.get("/wait"))
            await a.arrived.wait()
            await made.set_state(b, "registered")
            await made.until_healthy()
            await made.set_state(a, "draining")
            assert made.open(a) == 1
            assert {await (await http.get("/x")).text() for _ in range(10)} == {"i-b"}
            a.go_on.set()
            answer = await waiting
            assert (answer.status, await answer.text()) == (200, "i-a")
            assert made.open(a) == 0

    run(scenario)


def test_a_request_that_outlasts_the_draining_time_is_cut_off() -> None:
    async def scenario() -> None:
        a, b = Node("i-a"), Node("i-b")
        async with world(a, b) as (made, http):
            await made.set_state(b, "draining")
            waiting = asyncio.create_task(http.get("/wait"))
            await a.arrived.wait()
            await made.set_state(a, "gone")
            assert (await waiting).status == 502

    run(scenario)


async def drained(made: World, node: Node) -> None:
    await until(lambda: made.open(node) == 0)


def test_no_new_request_reaches_a_draining_target() -> None:
    """Hammer while targets go in and out; each node's log must be empty between draining and coming back."""

    async def scenario() -> None:
        nodes = [Node("i-a"), Node("i-b"), Node("i-c")]
        stop = asyncio.Event()
        statuses: Counter[int] = Counter()

        async def hammer(http: aiohttp.ClientSession) -> None:
            while not stop.is_set():
                async with http.get("/x") as answer:
                    statuses[answer.status] += 1
                    await answer.read()

        async def more_than(count: int) -> None:
            await until(lambda: statuses.total() > count)

        async with world(*nodes, sticky=SESSION) as (made, http):
            workers = [asyncio.create_task(hammer(http)) for _ in range(16)]
            for turn in range(9):
                node = nodes[turn % 3]
                await made.set_state(node, "draining")
                await drained(made, node)
                node.seen.clear()
                before = statuses.total()
                await more_than(before + 100)
                assert node.seen == []
                await made.set_state(node, "registered")
                await made.until_healthy()
            stop.set()
            await asyncio.gather(*workers)
        assert set(statuses) == {200}

    run(scenario)


def test_fifty_mebibytes_stream_both_ways_without_being_held() -> None:
    """An upload that is echoed while it comes: the balancer must pass on the first piece before the last is sent."""

    async def scenario() -> None:
        piece, count = os.urandom(MIB), 50
        sent, got = hashlib.sha256(), hashlib.sha256()
        came_back = asyncio.Event()

        async def upload() -> AsyncIterator[bytes]:
            for turn in range(count):
                if turn == 2:
                    await came_back.wait()  # would wait for ever if the body were held back
                sent.update(piece)
                yield piece

        async with world(Node("i-a")) as (_, http), http.post("/echo", data=upload()) as answer:
            async for data in answer.content.iter_any():
                came_back.set()
                got.update(data)
        assert got.digest() == sent.digest()

    run(scenario)


def test_a_slow_client_slows_the_target_down() -> None:
    async def scenario() -> None:
        node = Node("i-a")
        async with world(node) as (_, http), http.get("/big?mib=200") as answer:
            await answer.content.readexactly(MIB)
            written = -1
            while node.mib_written != written:  # until the target stands still
                written = node.mib_written
                await asyncio.sleep(0.2)
            assert written < 40  # the rest would be in the relay's memory
            assert len(await answer.content.read()) == 199 * MIB

    run(scenario)


@pytest.mark.parametrize("chunked", [False, True])
def test_large_uploads_arrive_whole(chunked: bool) -> None:  # noqa: FBT001 - a parameter of the table
    async def scenario() -> None:
        data = os.urandom(5 * MIB)

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(data), 100_001):
                yield data[at : at + 100_001]

        async with world(Node("i-a")) as (_, http):
            answer = await http.post("/count", data=pieces() if chunked else io.BytesIO(data))
            assert await answer.text() == str(len(data))

    run(scenario)


def test_expect_100_continue_is_passed_on() -> None:
    async def scenario() -> None:
        async with world(Node("i-a")) as (_, http):
            answer = await http.post("/count", data=b"x" * 1000, expect100=True)
            assert await answer.text() == "1000"

    run(scenario)


def test_an_answer_before_the_end_of_the_upload_reaches_the_client_and_the_connection_lives_on() -> None:
    async def scenario() -> None:
        async with world(Node("i-a")) as (made, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 1000)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401")
            assert await reader.readexactly(2) == b"no"
            writer.write(b"x" * 2_999_000 + b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writer.close()

    run(scenario)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def scenario() -> None:
        node = Node("i-a")
        async with world(node) as (made, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(20)))
            for _ in range(20):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(3) == b"i-a"
            assert node.seen == [f"/{n}" for n in range(20)]
            writer.close()

    run(scenario)


def test_head_and_http_1_0() -> None:
    async def scenario() -> None:
        async with world(Node("i-a")) as (made, http):
            assert (await http.head("/x")).headers["Content-Length"] == "3"
            assert (await http.get("/x")).status == 200
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"GET /big?mib=1 HTTP/1.0\r\n\r\n")
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            assert b"chunked" not in head.lower()
            assert len(body) == MIB
            writer.close()

    run(scenario)


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost : h\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /x HTTP/1.1\r\nA: " + b"x" * 70_000,
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(raw: bytes) -> None:
    async def scenario() -> None:
        async with world(Node("i-a")) as (made, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(raw)
            answer = await reader.read(-1)
            assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))
            writer.close()

    run(scenario)


def test_a_client_that_leaves_frees_its_target() -> None:
    async def scenario() -> None:
        node = Node("i-a")
        async with world(node) as (made, _):
            _, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")
            await node.arrived.wait()
            assert made.open(node) == 1
            writer.transport.abort()
            await until(lambda: made.open(node) == 0)

    run(scenario)
