"""The balancer's line to the daemon: follow its routing table, report health back.

The daemon may restart or be slow at any moment: the balancer goes on with its last table and keeps asking.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from lab.balancer.service import Balancer
from lab.balancer.table import InvalidTable, Table, parse_table

POLL_SECONDS = 20.0
"""How long the daemon may hold a question for news."""

REPORT_SECONDS = 0.5
"""Longest time between two reports; a change of health is reported at once."""

RETRY_SECONDS = 0.25

_log = logging.getLogger(__name__)

_TROUBLE = (aiohttp.ClientError, TimeoutError, InvalidTable, OSError, json.JSONDecodeError)


@dataclass(frozen=True, slots=True)
class Settings:
    """DIR/balancer.json."""

    control: str
    """URL of the daemon's control server, without a slash at the end."""
    token: str
    parent: int | None
    """Process that the balancer must not outlive; None: the one that started it."""


def read_settings(path: Path) -> Settings:
    """Read balancer.json and the token file it names.

    Raises:
        OSError, KeyError, ValueError: a file is missing or is not what it should be.
    """
    document = json.loads(path.read_text())
    token = Path(document["token_file"]).read_text().strip()
    return Settings(document["control"].rstrip("/"), token, document.get("parent"))


class ControlLine:
    """Follows the daemon."""

    def __init__(self, settings: Settings, balancer: Balancer) -> None:
        self._settings = settings
        self._balancer = balancer
        self._news = asyncio.Event()
        self._followed: int | None = None
        balancer.router.on_change = self._news.set

    async def run(self) -> None:
        """Follow and report, for ever."""
        headers = {"Authorization": f"Bearer {self._settings.token}"}
        async with aiohttp.ClientSession(headers=headers, trust_env=False) as http, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(http))
            tasks.create_task(self._report(http))

    async def _follow(self, http: aiohttp.ClientSession) -> None:
        trouble = _Trouble("the routing table could not be read or followed")
        while True:
            try:
                await self._ask(http)
            except _TROUBLE as error:
                trouble.note(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                trouble.clear()

    async def _ask(self, http: aiohttp.ClientSession) -> None:
        """Ask for news once and follow them."""
        asked, after = asyncio.get_running_loop().time(), self._followed
        table = await self._fetch(http, -1 if after is None else after)
        if table is not None and table.version != after:
            self._followed = None  # until all of it is followed: a port may be taken
            await self._balancer.apply(table)
            self._followed = table.version
            self._news.set()
        elif asyncio.get_running_loop().time() - asked < RETRY_SECONDS:
            await asyncio.sleep(RETRY_SECONDS)  # a daemon that does not hold the question must not be flooded

    async def _fetch(self, http: aiohttp.ClientSession, after: int) -> Table | None:
        query = {"after": str(after), "wait": f"{POLL_SECONDS:g}"}
        timeout = aiohttp.ClientTimeout(total=POLL_SECONDS + 10)
        async with http.get(f"{self._settings.control}/routes", params=query, timeout=timeout) as answer:
            if answer.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
                return None
            answer.raise_for_status()
            return parse_table(await answer.json())

    async def _report(self, http: aiohttp.ClientSession) -> None:
        trouble = _Trouble("health could not be reported")
        while True:
            self._news.clear()
            try:
                await self._send(http, self._balancer.report())
            except _TROUBLE as error:
                trouble.note(error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                trouble.clear()
                await self._wait_for_news()

    async def _send(self, http: aiohttp.ClientSession, report: dict[str, Any]) -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        async with http.post(f"{self._settings.control}/health", json=report, timeout=timeout) as answer:
            answer.raise_for_status()

    async def _wait_for_news(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REPORT_SECONDS):
                await self._news.wait()


class _Trouble:
    """Logs when something begins to fail and when it works again, not each time in between."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lasting = False

    def note(self, error: BaseException) -> None:
        if not self._lasting:
            _log.warning("%s: %r", self._what, error)
        self._lasting = True

    def clear(self) -> None:
        if self._lasting:
            _log.warning("over: %s", self._what)
        self._lasting = False
