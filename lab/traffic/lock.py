"""Tell a planned lock from a failure: who is turned away by the maintenance page was turned away on purpose."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus

from lab.traffic.client import Answer, Broken, Client
from lab.traffic.git import GitFailed

_WORD = "maintenance"
"""In the page, in the JSON error, and in what git passes on of the answer."""
LAG = 1.0
"""Seconds by which one node may know of the lock before another: each hears of beginning and end with a heartbeat."""
AGAIN = 0.1
"""Seconds between two questions whether the lock holds."""


class TurnedAway(Exception):
    """Bitbucket is locked for maintenance, and says so."""


def says_maintenance(answer: Answer) -> bool:
    """Tell whether an answer is the maintenance page, or what programs get in its place."""
    return answer.status == HTTPStatus.SERVICE_UNAVAILABLE and _WORD.encode() in answer.body.lower()


class Lock:
    """What is known of the lock: git shows the reason of a 503 only sometimes, so the others' answers help it out."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen = float("-inf")

    def noted(self) -> None:
        """Note that somebody was turned away just now."""
        self._seen = asyncio.get_running_loop().time()

    async def explains(self, failed: GitFailed, began: float) -> bool:
        """Tell whether the lock is why git failed; ``began``: the loop's time at which it was started."""
        text = str(failed).lower()
        told = f"remote: bitbucket is currently under {_WORD}" in text
        if told or ("503" in text and await self._known_since(began - LAG)):
            self.noted()
            return True
        return False

    async def _known_since(self, earliest: float) -> bool:
        """Tell whether anybody has met the lock since then, or does so soon.

        The node that turned git away may be the first to have heard of it; who is asked now may be another one.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LAG
        while not (self._seen >= earliest or await self._holds()):
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(AGAIN)
        return True

    async def _holds(self) -> bool:
        """Ask the server itself."""
        try:
            answer = await self._client.request("GET", "/status", {"Accept": "application/json"}, seconds=5.0)
            return bool(json.loads(answer.body)["state"] == "MAINTENANCE")
        except (Broken, TimeoutError, ValueError, KeyError, TypeError):
            return False  # whoever cannot be asked has not said that it is locked
