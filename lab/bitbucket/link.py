"""A node process's connection to the fabric."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import aiohttp

from lab.bitbucket.records import Json, Reply

_PATIENCE = aiohttp.ClientTimeout(total=10.0)


class FabricGone(ConnectionError):
    """The fabric does not answer: the lab has ended."""


class FabricRefused(RuntimeError):
    """The fabric answered with an error."""


class Link:
    """Calls the fabric for one node."""

    def __init__(self, url: str, token_file: Path, node_id: str) -> None:
        self._root = f"{url}/nodes/{node_id}"
        self._url = url
        self._headers = {"Authorization": f"Bearer {token_file.read_text().strip()}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=_PATIENCE)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def boot(self, *, address: str, version: str, port: int, name: str) -> Json:
        """Start; return the node's id in the API and the pace of the cluster."""
        return await self._post(
            f"{self._root}/boot", {"address": address, "version": version, "port": port, "name": name}
        )

    async def heartbeat(self, *, tasks: int, users: int, busy: Json) -> Json:
        """Give a sign of life and tell what runs (`lab.bitbucket.gate`); return what the node is now."""
        return await self._post(f"{self._root}/heartbeat", {"tasks": tasks, "users": users} | busy)

    async def stop(self, *, drain: float, terminate: float) -> None:
        """Tell that this node has begun to stop."""
        await self._post(f"{self._root}/stop", {"drain": drain, "terminate": terminate})

    async def drained(self) -> bool:
        """Tell that no task is left; False while the node may not end yet."""
        return bool((await self._post(f"{self._root}/drained", {}))["go"])

    async def left(self) -> None:
        """Tell that this process ends."""
        await self._post(f"{self._root}/left", {})

    async def call(self, name: str, args: Json) -> tuple[Reply, float]:
        """Have the cluster carry out a call; return its reply and the seconds that it takes."""
        answer = await self._post(f"{self._root}/call/{name}", args)
        return Reply(answer["status"], answer["body"]), float(answer["delay"])

    async def take_fault(self, uid: int) -> bool:
        """Use a counted fault once; False when it is used up."""
        return bool((await self._post(f"{self._url}/faults/{uid}/take", {}))["go"])

    async def _post(self, url: str, body: Json) -> Json:
        if self._session is None:
            raise RuntimeError("use the link as an async context manager")
        try:
            async with self._session.post(url, json=body) as response:
                answer: Json = await response.json()
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise FabricGone(f"the fabric at {self._url} does not answer") from problem
        if response.status >= 400:
            raise FabricRefused(str(answer.get("message", response.status)))
        return answer
