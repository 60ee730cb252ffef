"""What the model of a Bitbucket cluster is told and what it answers: settings, node specifications, replies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal

Json = dict[str, Any]


class State(StrEnum):
    """State of a node in ``/rest/zdu``."""

    STARTING = "STARTING"
    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    TERMINATING = "TERMINATING"
    OFFLINE = "OFFLINE"
    ERROR = "ERROR"


class Upgrade(StrEnum):
    """State of the cluster in ``/rest/zdu``."""

    STABLE = "STABLE"
    READY_TO_UPGRADE = "READY_TO_UPGRADE"
    MIXED = "MIXED"
    READY_TO_RUN_UPGRADE_TASKS = "READY_TO_RUN_UPGRADE_TASKS"
    RUNNING_UPGRADE_TASKS = "RUNNING_UPGRADE_TASKS"
    UPGRADE_TASKS_FAILED = "UPGRADE_TASKS_FAILED"


class WorldRefused(ValueError):
    """The world asked for cannot exist in reality, so nothing learned from it would be worth anything."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one cluster behaves; all durations in seconds."""

    boot_seconds: float = 60.0
    """From the start of the process until the node is ACTIVE, or is refused."""
    refusal_seconds: float = 60.0
    """How long a node that may not join still says STARTING before it says ERROR (inferred)."""
    drain_seconds: float = 10.0
    """DRAINING: open tasks of a graceful stop finish. Bitbucket's own grace period is 30 s."""
    terminate_seconds: float = 5.0
    """TERMINATING: from the last finished task until the process has ended."""
    silent_seconds: float = 30.0
    """How long the others still list a crashed node, without state and version."""
    answer_seconds: float = 5.0
    """How long a listing waits for a silent member before it gives null."""
    tasks_seconds: float = 20.0
    """RUNNING_UPGRADE_TASKS after approval."""
    collision_window: float = 10.0
    """Two nodes that start closer to each other than this can collide in the database."""
    collision_chance: float = 0.5
    """Chance of such a collision, 0..1; the first installation on an empty database has none."""
    database_drain_seconds: float = 1.0
    """Maintenance: until ``db-state`` is DRAINED."""
    scm_drain_seconds: float = 2.0
    """Maintenance: until ``scm-state`` is DRAINED."""
    lock_check_seconds: float = 10.0
    """A node that becomes ACTIVE while the cluster is locked notices so this much later."""
    clustered: bool = True
    """A Data Center licence with clustering; without it there is one node and no rolling upgrade."""
    licence_expires: float | None = None
    """Seconds since the epoch; None for a licence without end."""
    licence_users: int | None = 500
    """Users allowed; None for no limit."""
    set_up: bool = True
    """False: the set-up wizard has not been completed, ``/status`` says FIRST_RUN."""
    counts: Literal["numbers", "null", "absent"] = "numbers"
    """How this version of Bitbucket gives tasksTotal and activeUserCount."""
    address_key: Literal["hostName", "address"] = "hostName"
    """Name of the address field in ``admin/cluster``; versions differ."""
    mesh_nodes: int = 0
    """Number of Mesh nodes."""
    mirror_servers: int = 0
    """Number of Smart Mirrors."""
    base_url: str = "http://bitbucket.invalid"
    """What users type; the root of every link."""
    ssh_base_url: str = ""
    """``plugin.ssh.baseurl``: root of clone links over SSH; empty for port 7999 of the web address."""
    display_name: str = "Bitbucket"
    """Name in application-properties and on every page."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A machine on which Bitbucket is started."""

    id: str
    """Handle of the machine, such as its instance id; the node's own id is new at every start."""
    address: str
    """IP address it advertises; with ``port`` the key by which remembered and present nodes are merged."""
    version: str
    port: int = 5701
    """Port of cluster communication, not of HTTP."""
    name: str = "Not configured"
    """``-Dcluster.node.name``; nobody sets it, and then Bitbucket says this."""

    @property
    def key(self) -> str:
        """The merge key, ``address:port``."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: status and JSON body, None for an empty body (as every 409 of the upgrade API has)."""

    status: int
    body: Json | None = None

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300


def errors(status: int, message: str, exception: str | None = None, context: str | None = None) -> Reply:
    """Make an error reply in Bitbucket's usual shape."""
    return Reply(status, {"errors": [{"context": context, "message": message, "exceptionName": exception}]})


_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-[0-9A-Za-z.-]+)?")


@lru_cache(maxsize=256)
def release(version: str) -> tuple[int, int, int]:
    """Return major, minor and bug-fix number of ``version``.

    Raises:
        WorldRefused: the text is no Bitbucket version.
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        raise WorldRefused(f"{version!r} is no Bitbucket version")
    major, minor, fix = found.groups()
    return int(major), int(minor), int(fix or 0)


@lru_cache(maxsize=256)
def build_number(version: str) -> str:
    """Return the build number as Bitbucket writes it: 7.9.4 is "7009004"."""
    major, minor, fix = release(version)
    return f"{major}{minor:03}{fix:03}"


@dataclass(slots=True, eq=False)
class Node:
    """A running (or just crashed) Bitbucket process, as the model keeps it."""

    spec: NodeSpec
    uuid: str
    """Id in the API: new at every start."""
    island: int
    """Cluster it belongs to; more than one island on one database is a split cluster."""
    booted: float
    """Seconds; when the process was started."""
    state: State = State.STARTING
    due: float | None = None
    """When ``state`` ends by itself; None for not at all."""
    terminate_seconds: float = 0.0
    """How long this stop stays TERMINATING."""
    doom: str | None = None
    """Why this start will not end in ACTIVE; None when nothing stands against it yet."""
    dead: bool = False
    """Crashed: still listed by the others until ``due``, without state and version."""
    wedged: bool = False
    """A stop that never gets past DRAINING."""
    active_since: float | None = None
    tasks: int = 0
    users: int = 0
    git: int | None = None
    """Git processes that run on it by its own count; None for a node that never told (in virtual time none does)."""
    writes: int = 0
    """Changes of the database that it has begun, by its own count."""
    latch: str | None = None
    """The backup task for which it lets nothing new begin, as it said last."""

    @property
    def answers(self) -> bool:
        """True while its process takes HTTP requests as a member of a cluster."""
        return not self.dead and self.state in (State.ACTIVE, State.DRAINING)


@dataclass(frozen=True, slots=True)
class Busy:
    """What a node says of itself that a backup's drain has to wait for."""

    git: int
    """Git processes that run."""
    writes: int
    """Changes of the database that have begun and not ended."""
    latch: str | None
    """The backup task for which nothing new begins there; None while its gate is open."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A node as ``start`` stored it: what is left of it once it is gone."""

    uuid: str
    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was switched on."""

    uid: int
    name: str
    node: str
    """Machine's handle or address; ``*`` for whichever comes first."""
    params: Json = field(default_factory=dict)
