"""The TCP relay, as for git over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.lab.balancer.world import Node, World, run, until

PIECE = b"y" * 2**20


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """Echo until the client has ended, then say how much came, then end."""
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = 0
        while data := await reader.read(65536):
            count += len(data)
            writer.write(data)
            await writer.drain()
        writer.write(b" %d" % count)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for handler in handlers:
        handler.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)
    await asyncio.sleep(0.01)


@asynccontextmanager
async def tcp_world() -> AsyncIterator[tuple[World, Node]]:
    """Run a world whose one TCP target echoes; its health is asked of another server, as it is for SSH."""
    status = Node("i-status")
    await status.start()
    async with echo_server() as port:
        node = Node("i-a", port=port)
        made = World(port=status.port)
        made.nodes[node.id] = node
        try:
            await made.apply()
            await made.until_healthy()
            yield made, node
        finally:
            made.nodes.clear()
            await made.__aexit__(None, None, None)
            await status.stop()


def open_ssh(made: World, node: Node) -> int:
    entries = made.balancer.report()["targets"]
    return next(int(e["open"]) for e in entries if e["group"] == "arn:ssh" and e["id"] == node.id)


def test_each_direction_ends_by_itself() -> None:
    async def scenario() -> None:
        async with tcp_world() as (made, node):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.tcp_port)
            for _ in range(20):
                writer.write(PIECE)
            writer.write_eof()
            answer = await reader.read(-1)
            assert answer == PIECE * 20 + b" %d" % (20 * len(PIECE))
            writer.close()
            await until(lambda: open_ssh(made, node) == 0)

    run(scenario)


def test_draining_lets_open_connections_go_on_and_takes_no_new_one() -> None:
    async def scenario() -> None:
        async with tcp_world() as (made, node):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.tcp_port)
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            for state in ("draining", "gone"):  # NLB leaves open connections alone after the draining time, too
                await made.set_state(node, state)
                writer.write(b"after")
                assert await reader.readexactly(5) == b"after"
                if state == "draining":
                    assert open_ssh(made, node) == 1
                refused, other = await asyncio.open_connection("127.0.0.1", made.tcp_port)
                assert await end(refused) == b""
                other.close()
            writer.close()

    run(scenario)


def test_a_target_that_refuses_is_a_reset() -> None:
    async def scenario() -> None:
        async with tcp_world() as (made, node):
            node.port = 1  # nobody listens there; health is asked elsewhere
            await made.apply()
            await made.until_healthy()
            reader, writer = await asyncio.open_connection("127.0.0.1", made.tcp_port)
            assert await end(reader) == b""
            writer.close()
            await until(lambda: open_ssh(made, node) == 0)

    run(scenario)


def test_an_idle_connection_is_reset() -> None:
    async def scenario() -> None:
        async with tcp_world() as (made, node):
            made.idle_timeout = 0.2
            await made.apply()
            reader, writer = await asyncio.open_connection("127.0.0.1", made.tcp_port)
            assert await end(reader) == b""
            writer.close()
            await until(lambda: open_ssh(made, node) == 0)

    run(scenario)


async def end(reader: asyncio.StreamReader) -> bytes:
    """Read to the end; a reset is an end, too."""
    try:
        return await reader.read(-1)
    except ConnectionResetError:
        return b""
