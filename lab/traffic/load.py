"""The open loop: requests begin when they are due, and each is entered in the books when it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lab.traffic.client import Broken
from lab.traffic.git import GitFailed
from lab.traffic.ledger import Entry, Ledger
from lab.traffic.lock import TurnedAway
from lab.traffic.people import Unexpected

MOST_OPEN = 4000
"""Requests that may be open at once. One that is due beyond this is entered as failed: nobody would have got in."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to be made."""

    kind: str
    what: str
    make: Callable[[], Awaitable[str | None]]
    """Makes it; returns the machine that answered, where known."""


class Load:
    """Requests at constant rates until told to stop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._bug: BaseException | None = None

    def stop(self) -> None:
        """Begin no further request."""
        self._stop.set()

    async def keep(self, rate: float, choose: Callable[[], Ask], *, offset: float = 0.0) -> None:
        """Begin ``rate`` requests a second, the first one ``offset`` seconds from now, until stopped."""
        loop = asyncio.get_running_loop()
        began, wall = loop.time() + offset, time.time() + offset
        number = 0
        while rate > 0 and not self._stop.is_set():
            after = number / rate
            await self._pause(began + after - loop.time())
            if not self._stop.is_set():
                self._begin(choose(), due=began + after, wall=wall + after)
            number += 1

    async def settle(self, seconds: float) -> None:
        """Wait for the open requests; cut off, and enter as failed, those that take longer than ``seconds``.

        An error that is none of the server's, in the load itself, is raised here.
        """
        if self._open:
            await asyncio.wait(self._open, timeout=seconds)
        left = list(self._open)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if self._bug is not None:
            raise self._bug

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)  # behind: let the others have their turn
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    def _begin(self, ask: Ask, *, due: float, wall: float) -> None:
        if len(self._open) >= MOST_OPEN:
            self._ledger.enter(Entry(ask.kind, wall, 0.0, ask.what, error=f"{MOST_OPEN} requests are open already"))
            return
        task = asyncio.create_task(self._carry_out(ask, due, wall))
        self._open.add(task)
        self._ledger.in_flight = len(self._open)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._ledger.in_flight = len(self._open)
        if not task.cancelled() and (bug := task.exception()):
            self._bug = bug
            self._stop.set()

    async def _carry_out(self, ask: Ask, due: float, wall: float) -> None:
        error: str | None = "cut off when the run ended"
        status, upstream, locked = None, None, False
        try:
            upstream, error = await ask.make(), None
        except TurnedAway:
            error, locked = None, True
        except Unexpected as refused:
            error, status, upstream = str(refused), refused.answer.status, refused.answer.upstream
        except GitFailed as failed:
            error, status = str(failed), failed.code
        except TimeoutError:
            error = "no answer in time"
        except (Broken, OSError) as broken:
            error = str(broken)
        finally:
            seconds = asyncio.get_running_loop().time() - due
            self._ledger.enter(Entry(ask.kind, wall, seconds, ask.what, error, status, upstream, locked))
