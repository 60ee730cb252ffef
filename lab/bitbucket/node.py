"""One Bitbucket node as a real process: ``python -m lab.bitbucket.node node.json``.

SIGTERM stops it gracefully: no new connections, open requests finish (up to the grace time), then it leaves the cluster
and exits with 0. SIGKILL is a crash. It also ends when the process that started it, or the fabric, is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from aiohttp import web

from lab.bitbucket import git_http
from lab.bitbucket.announcements import Announcements
from lab.bitbucket.first_start import check_integrity
from lab.bitbucket.gate import Gate
from lab.bitbucket.gitreader import GitReader
from lab.bitbucket.here import Here, NodeConfig
from lab.bitbucket.link import FabricGone, FabricRefused, Link
from lab.bitbucket.records import Json
from lab.bitbucket.security import session_key
from lab.bitbucket.serving import application
from lab.bitbucket.ssh import SshDoor
from lab.bitbucket.store import Store

_LOG = logging.getLogger("lab.bitbucket.node")
_ORPHANED_SECONDS = 10.0
"""So long a node goes on without its fabric: the lab has ended."""
_ASK_AGAIN_SECONDS = 0.2


class NodeProcess:
    """The life of one node process."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._parent = os.getppid()
        self._asked_to_stop = asyncio.Event()
        self._pace: Json = {}
        self._one_at_a_time = asyncio.Lock()
        self._announcements = Announcements()

    async def run(self) -> int:
        """Start, serve until told to stop, stop; return the exit code."""
        config = self._config
        gate = Gate()
        store = Store(config.database, config.shared, gate)
        try:
            async with Link(config.fabric_url, config.fabric_token_file, config.id) as link:
                here = Here(config, store, link, GitReader(gate), session_key(config.shared), gate)
                return await self._live(here)
        finally:
            store.close()

    async def _live(self, here: Here) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop.set)
        git_http.warm_up()
        here.refresh = partial(self._one_beat, here)
        runner = web.AppRunner(application(here), access_log=None, shutdown_timeout=here.config.grace_seconds)
        await runner.setup()
        site = web.TCPSite(runner, here.config.address, here.config.http_port, reuse_address=True)
        await site.start()
        beating = asyncio.create_task(self._beat(here))
        shell = SshDoor(here)
        opening = asyncio.create_task(shell.open_when_active())
        checking = asyncio.create_task(check_integrity(here))
        try:
            await self._boot(here)
            await self._wait_for_the_end(beating)
            opening.cancel()
            shell.close()
            await self._stop(here, site)
        finally:
            opening.cancel()
            checking.cancel()
            beating.cancel()
            await shell.hang_up()
            await runner.cleanup()
        return 0

    async def _boot(self, here: Here) -> None:
        config = here.config
        self._pace = await here.link.boot(
            address=config.address, version=config.version, port=config.cluster_port, name=config.name
        )
        here.uuid, here.display_name = self._pace["uuid"], self._pace["display_name"]
        _LOG.info("Bitbucket %s starts on %s", config.version, config.address)

    async def _beat(self, here: Here) -> None:
        """Keep the fabric informed, and this node informed of what the fabric makes of it."""
        heard = time.monotonic()
        while True:
            if self._pace:
                try:
                    await self._one_beat(here)
                    heard = time.monotonic()
                except FabricGone:
                    if time.monotonic() - heard > _ORPHANED_SECONDS:
                        raise
            if os.getppid() != self._parent:
                raise FabricGone("the process that started this node has ended")
            await asyncio.sleep(here.config.heartbeat_seconds)

    async def _one_beat(self, here: Here) -> None:
        async with self._one_at_a_time:
            busy = here.gate.counts()
            told = await here.link.heartbeat(tasks=here.open_requests, users=here.active_users(), busy=busy)
            if told["known"]:
                self._learn(here, told)
                return
        if not here.stopping:
            _LOG.warning("the other nodes had given this one up; it joins again")
            await self._boot(here)

    def _learn(self, here: Here, told: Json) -> None:
        if told["state"] != here.condition["state"]:
            _LOG.info("%s is %s", here.config.id, told["state"])
        here.gate.latch(told["maintenance"]["latch"])
        self._announcements.hear(told["maintenance"])
        here.condition = told

    async def _wait_for_the_end(self, beating: asyncio.Task[None]) -> None:
        stopping = asyncio.create_task(self._asked_to_stop.wait())
        await asyncio.wait({stopping, beating}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if beating.done():
            beating.result()  # raises what ended it

    async def _stop(self, here: Here, site: web.TCPSite) -> None:
        """DRAINING while requests are open, TERMINATING for as long as a Bitbucket takes, then gone."""
        _LOG.info("asked to stop with %d open requests", here.open_requests)
        here.stopping = True
        terminate = float(self._pace["terminate_seconds"])
        await here.link.stop(drain=here.config.grace_seconds + 5.0, terminate=terminate + 30.0)
        await site.stop()
        with contextlib.suppress(TimeoutError):  # what is still open after the grace time is cut off, as Bitbucket does
            await asyncio.wait_for(here.idle.wait(), here.config.grace_seconds)
        while True:
            if await here.link.drained():
                break
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        await asyncio.sleep(terminate)
        await here.link.left()
        _LOG.info("stopped with %d open requests", here.open_requests)


def _log_to(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = logging.Formatter("%(asctime)s %(levelname)s [%(name)s] %(message)s")
    for name, file in (("", "atlassian-bitbucket.log"), ("lab.bitbucket.access", "atlassian-bitbucket-access.log")):
        handler = logging.FileHandler(folder / file)
        handler.setFormatter(lines)
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    logging.getLogger("lab.bitbucket.access").propagate = False


def main(arguments: list[str]) -> int:
    """Run the node described by a JSON file (see `lab.bitbucket.here.NodeConfig`)."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m lab.bitbucket.node node.json\n")
        return 2
    config = NodeConfig.read(Path(arguments[0]))
    _log_to(config.home / "log")
    if sys.version_info < (3, 12):  # newer ones use pidfd by themselves; threads would cost more than Git does
        asyncio.get_event_loop_policy().set_child_watcher(asyncio.PidfdChildWatcher())
    try:
        return asyncio.run(NodeProcess(config).run())
    except (FabricGone, FabricRefused, OSError) as problem:
        _LOG.error("%s", problem)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
