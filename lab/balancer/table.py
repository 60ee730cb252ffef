"""The routing table: what the daemon declares, parsed once into frozen values.

Nothing here performs I/O. A table that contradicts itself is refused as a whole (InvalidTable), so that the balancer
goes on with the last good one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class InvalidTable(ValueError):
    """The daemon sent a routing table that cannot be followed."""


class Protocol(StrEnum):
    """What a listener or a target group speaks."""

    HTTP = "HTTP"
    TCP = "TCP"


class Registration(StrEnum):
    """Where a target stands in its group."""

    REGISTERED = "registered"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Listener:
    """A front that clients connect to."""

    name: str
    protocol: Protocol
    address: str
    port: int
    group: str
    idle_timeout: float
    """Seconds without a byte in either direction; ALB's default is 60, NLB's 350."""


@dataclass(frozen=True, slots=True)
class Stickiness:
    """How sessions are bound to targets."""

    cookie: str | None
    """The application's cookie that a session is known by; None: every client is one, whatever it sends."""
    seconds: float
    name: str = "AWSALBAPP-0"
    """Name of the balancer's own cookie."""
    while_draining: bool = False
    """A bound session goes on to a target that drains, as on an Application Gateway; ALB moves it at once."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a target is checked. Times are seconds as declared: the balancer divides them by the table's tempo."""

    path: str | None
    """None: a TCP connection is enough."""
    port: int | None
    """None: the target's own port (AWS: ``traffic-port``)."""
    matcher: str
    interval: float
    timeout: float
    healthy: int
    unhealthy: int


@dataclass(frozen=True, slots=True)
class Target:
    """A registration of one machine in one group."""

    id: str
    host: str
    port: int
    state: Registration
    since: float
    """Unix time of the last (de)registration: a new value of a registered target starts its health anew."""


@dataclass(frozen=True, slots=True)
class Group:
    """A target group."""

    arn: str
    name: str
    protocol: Protocol
    stickiness: Stickiness | None
    cuts: bool
    """Requests that are open when the draining time is over are cut off."""
    health: HealthCheck
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Everything the balancer is told."""

    version: int
    tempo: float
    """How many times faster than declared health checks run."""
    listeners: tuple[Listener, ...]
    groups: tuple[Group, ...]


IDLE_TIMEOUT = {Protocol.HTTP: 60.0, Protocol.TCP: 350.0}


def parse_table(document: Mapping[str, Any]) -> Table:
    """Parse the answer of ``GET /routes``.

    Raises:
        InvalidTable: a field is missing, of the wrong type, or names a group that is not there.
    """
    try:
        table = Table(
            version=int(document["version"]),
            tempo=float(document.get("tempo", 1)),
            listeners=tuple(_listener(entry) for entry in document["listeners"]),
            groups=tuple(_group(entry) for entry in document["groups"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidTable(f"the routing table cannot be read: {error!r}") from error
    _check(table)
    return table


def parse_matcher(matcher: str) -> tuple[tuple[int, int], ...]:
    """Parse a list of codes and ranges ("200", "200,202", "200-399") into inclusive ranges."""
    ranges = (part.partition("-") for part in matcher.split(","))
    return tuple((int(low), int(high or low)) for low, _, high in ranges)


def _check(table: Table) -> None:
    arns = {group.arn for group in table.groups}
    if len(arns) != len(table.groups):
        raise InvalidTable("two target groups have the same ARN")
    if missing := [listener.name for listener in table.listeners if listener.group not in arns]:
        raise InvalidTable(f"listeners forward to target groups that are not in the table: {missing}")
    if table.tempo <= 0:
        raise InvalidTable(f"tempo must be above 0, not {table.tempo}")
    for group in table.groups:
        if len({target.id for target in group.targets}) != len(group.targets):
            raise InvalidTable(f"target group {group.name} holds the same target twice")


def _listener(entry: Mapping[str, Any]) -> Listener:
    protocol = Protocol(entry["protocol"])
    idle = entry.get("idle_timeout") or IDLE_TIMEOUT[protocol]
    return Listener(
        entry["name"], protocol, entry["address"], int(entry["port"]), entry["group"], idle_timeout=float(idle)
    )


def _group(entry: Mapping[str, Any]) -> Group:
    return Group(
        arn=entry["arn"],
        name=entry["name"],
        protocol=Protocol(entry["protocol"]),
        stickiness=_stickiness(entry["stickiness"]) if entry.get("stickiness") else None,
        cuts=bool(entry.get("cuts", True)),
        health=_health(entry["health"]),
        targets=tuple(_target(target) for target in entry["targets"]),
    )


def _stickiness(entry: Mapping[str, Any]) -> Stickiness:
    bound = Stickiness(entry["cookie"], float(entry["seconds"]))
    return replace(
        bound,
        name=str(entry.get("name", bound.name)),
        while_draining=bool(entry.get("while_draining", bound.while_draining)),
    )


def _health(entry: Mapping[str, Any]) -> HealthCheck:
    matcher = str(entry.get("matcher") or "200")
    parse_matcher(matcher)
    return HealthCheck(
        path=entry.get("path") or None,
        port=int(entry["port"]) if entry.get("port") else None,
        matcher=matcher,
        interval=float(entry["interval"]),
        timeout=float(entry["timeout"]),
        healthy=int(entry["healthy"]),
        unhealthy=int(entry["unhealthy"]),
    )


def _target(entry: Mapping[str, Any]) -> Target:
    return Target(entry["id"], entry["host"], int(entry["port"]), Registration(entry["state"]), float(entry["since"]))
