"""Which target takes the next request: registrations, health and open requests, as they are now.

No I/O: connections hang themselves onto a `Backend` while they use it, and are told when it goes away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from lab.balancer.table import Group, Registration, Table, Target


class Use(Protocol):
    """Something that uses a backend now: a request, a TCP connection, or an idle kept connection."""

    def backend_gone(self) -> None:
        """The target has left its group."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """What the health checks say of a target."""

    healthy: bool | None
    """None: not known yet."""
    reason: str | None
    """AWS's reason code, None for a healthy target."""
    description: str | None


INITIAL = Health(None, "Elb.InitialHealthChecking", "Initial health checks in progress")


class Backend:
    """A target and what the balancer knows and does about it."""

    __slots__ = ("health", "idle", "target", "uses")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.health = INITIAL
        self.uses: set[Use] = set()
        """The open requests or TCP connections."""
        self.idle: list[Use] = []
        """Kept connections without a request, the last used at the end."""

    @property
    def registered(self) -> bool:
        """Tell whether new requests may come here, health apart."""
        return self.target.state is Registration.REGISTERED


class Pool:
    """A target group at work."""

    __slots__ = ("_candidates", "_turn", "backends", "group")

    def __init__(self, group: Group) -> None:
        self.group = group
        self.backends: dict[str, Backend] = {}
        self._candidates: list[Backend] = []
        self._turn = 0

    def choose(self, sticky: str | None = None) -> Backend | None:
        """Return the target for a new request: the sticky one while it may, else the least busy one in turn.

        None when no target may take it. When every registered target is unhealthy all of them are tried, as ALB and
        NLB "fail open".
        """
        candidates = self._candidates
        bound = self.backends.get(sticky) if sticky is not None else None
        if bound is not None and (bound in candidates or self._goes_on(bound)):
            return bound
        if not candidates:
            return None
        self._turn = (self._turn + 1) % len(candidates)
        in_turn = candidates[self._turn :] + candidates[: self._turn]
        return min(in_turn, key=lambda backend: len(backend.uses))

    def _goes_on(self, backend: Backend) -> bool:
        sticky = self.group.stickiness
        return bool(sticky and sticky.while_draining and not backend.registered and backend.health.healthy)

    def update(self, group: Group) -> list[Backend]:
        """Follow a new declaration of the group; return the backends that have left it."""
        self.group = group
        declared = {target.id: target for target in group.targets}
        gone = [self.backends.pop(key) for key, kept in list(self.backends.items()) if not _same(kept, declared)]
        for target in group.targets:
            self._declare(target)
        self.reconsider()
        return gone

    def reconsider(self) -> None:
        """Work out again who may take requests, after a change of registration or health."""
        registered = [backend for backend in self.backends.values() if backend.registered]
        fail_open = all(backend.health.healthy is False for backend in registered)
        self._candidates = registered if fail_open else [backend for backend in registered if backend.health.healthy]

    def _declare(self, target: Target) -> None:
        backend = self.backends.setdefault(target.id, Backend(target))
        registered_again = target.state is Registration.REGISTERED and target.since != backend.target.since
        backend.target = target
        if registered_again:
            backend.health = INITIAL


class Router:
    """All target groups at work, by ARN."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.tempo = 1.0
        self.version: int | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called after each change of health, or when the last request has left a draining target."""

    def apply(self, table: Table) -> None:
        """Follow a new table. Who vanished has drained: what is open there is cut off, where the group cuts."""
        declared = {group.arn: group for group in table.groups}
        for arn in self.pools.keys() - declared.keys():
            for backend in self.pools.pop(arn).backends.values():
                _tell(backend.uses | set(backend.idle))
        for arn, group in declared.items():
            for backend in self.pools.setdefault(arn, Pool(group)).update(group):
                _tell(backend.uses | set(backend.idle) if group.cuts else backend.idle)
        self.tempo, self.version = table.tempo, table.version
        for backend in self.backends():
            if not backend.registered:
                _tell(backend.idle)

    def backends(self) -> list[Backend]:
        """Return every backend of every group."""
        return [backend for pool in self.pools.values() for backend in pool.backends.values()]

    def judge(self, pool: Pool, backend: Backend, health: Health) -> None:
        """Record what a health check found out."""
        if health != backend.health:
            backend.health = health
            pool.reconsider()
            self.on_change()

    def release(self, backend: Backend, use: Use) -> None:
        """Forget a finished request or connection."""
        backend.uses.discard(use)
        if not backend.uses and not backend.registered:
            self.on_change()


def _same(backend: Backend, declared: dict[str, Target]) -> bool:
    now = declared.get(backend.target.id)
    return now is not None and (now.host, now.port) == (backend.target.host, backend.target.port)


def _tell(uses: Iterable[Use]) -> None:
    for use in list(uses):
        use.backend_gone()
