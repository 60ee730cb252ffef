"""What one node process knows of itself: its configuration, its last word from the fabric, its open requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from lab.bitbucket.gate import Gate
from lab.bitbucket.gitreader import GitReader
from lab.bitbucket.link import Link
from lab.bitbucket.records import Json
from lab.bitbucket.store import Store, User

_ACTIVE_USER_SECONDS = 60.0
"""A user counts as active so long after the last request."""


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The file that a node process is started with."""

    id: str
    address: str
    version: str
    fabric_url: str
    fabric_token_file: Path
    shared: Path
    database: Path
    home: Path
    """The node's own directory, for logs."""
    name: str = "Not configured"
    http_port: int = 7990
    ssh_port: int = 7999
    """0 for no SSH."""
    cluster_port: int = 5701
    grace_seconds: float = 30.0
    """How long a graceful stop waits for open requests."""
    heartbeat_seconds: float = 0.25

    @classmethod
    def read(cls, file: Path) -> NodeConfig:
        """Read the JSON file; its keys are this class's fields.

        Raises:
            TypeError: a field is missing or unknown.
        """
        fields: Json = json.loads(file.read_text())
        for name in ("fabric_token_file", "shared", "database", "home"):
            if name in fields:
                fields[name] = Path(fields[name])
        return cls(**fields)


@dataclass(slots=True)
class Here:
    """The state of one node process."""

    config: NodeConfig
    store: Store
    link: Link
    git: GitReader
    session_key: bytes
    gate: Gate
    """What every Git process and every change of the database has to pass."""
    condition: Json = field(default_factory=lambda: {"state": "STARTING", "faults": []})
    """The fabric's last answer to a heartbeat."""
    display_name: str = "Bitbucket"
    uuid: str = ""
    open_requests: int = 0
    stopping: bool = False
    refresh: Callable[[], Awaitable[None]] | None = None
    """Sends a heartbeat now: after a call that changed the cluster, this node knows at once what it changed."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no request is open."""
    _seen: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.idle.set()

    def opened(self) -> None:
        """Note that a request or an SSH command has begun."""
        self.open_requests += 1
        self.idle.clear()

    def closed(self) -> None:
        """Note that it has ended."""
        self.open_requests -= 1
        if not self.open_requests:
            self.idle.set()

    @property
    def state(self) -> str:
        """The node's state as the cluster keeps it."""
        return str(self.condition["state"])

    def saw(self, user: User) -> None:
        """Note that a user was served."""
        self._seen[user.name] = time.monotonic()

    def active_users(self) -> int:
        """Count the users of the last minute."""
        limit = time.monotonic() - _ACTIVE_USER_SECONDS
        self._seen = {name: at for name, at in self._seen.items() if at > limit}
        return len(self._seen)

    def base_url(self, request: web.Request) -> str:
        """Return the root of links: the configured one, else the one this request came by."""
        configured = str(self.condition.get("base_url", ""))
        return configured if configured and not configured.endswith(".invalid") else f"http://{request.host}"

    def ssh_url(self, request: web.Request) -> str:
        """Return the root of clone links over SSH."""
        host = self.base_url(request).split("://", 1)[-1].rsplit(":", 1)[0]
        return str(self.condition.get("ssh_base_url") or f"ssh://git@{host}:7999")


HERE = web.AppKey("here", Here)
USER = web.RequestKey("user", User)


def user_of(request: web.Request) -> User | None:
    """Return who is asking; None for nobody known."""
    return request.get(USER)
