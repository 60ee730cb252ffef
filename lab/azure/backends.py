"""Who stands behind gateways and load balancers, as the data path has it: registered, draining, healthy or not.

What a document says is what somebody wants; what is here is what has been taken over.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.azure.paths import key

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld


@dataclass(slots=True)
class Backend:
    """One address in one pool.

    Attributes:
        address: where it is.
        since: when it was registered, or removed when it drains.
        until: when draining is over; None while it is registered, infinity while its administrative state is Down.
        healthy: the last report; None when there is none yet.
        reason: the balancer's words for an unhealthy one.
        open: requests and connections in flight, as last reported.
    """

    address: str
    since: float
    until: float | None = None
    healthy: bool | None = None
    reason: str = ""
    open: int = 0

    @property
    def draining(self) -> bool:
        """Whether it gets nothing new: it has been removed, or is down."""
        return self.until is not None

    @property
    def down(self) -> bool:
        """Whether its administrative state is Down: what is open goes on for as long as it likes."""
        return self.until == math.inf


@dataclass(slots=True)
class Backends:
    """All pools.

    Attributes:
        world: where they are.
        pools: id of a pool, in lower case -> address -> backend.
        version: grows with every change of who is registered.
    """

    world: AzureWorld
    pools: dict[str, dict[str, Backend]] = field(default_factory=dict)
    version: int = 1

    def take_over(self, pool: str, addresses: Iterable[str], drain: float, *, down: Collection[str] = ()) -> None:
        """Let a pool have these addresses, and these as ``down``; others drain for so many seconds."""
        now = self.world.clock.now()
        known, wanted = self.pools.setdefault(key(pool), {}), set(addresses)
        for address in sorted(wanted):
            if address not in known or known[address].draining:
                known[address] = Backend(address, now)
                self._changed("registered", pool, address)
        for address in sorted(set(down)):
            known.setdefault(address, Backend(address, now))
        for address in sorted(set(known) - wanted):
            until = math.inf if address in down else now + drain
            if not known[address].draining or known[address].down != (address in down):
                known[address].since, known[address].until = now, until
                self._changed("deregistered", pool, address)

    def forget(self, owner: str) -> None:
        """Drop every pool of a gateway or load balancer."""
        for pool in [pool for pool in self.pools if pool.startswith(key(owner) + "/")]:
            del self.pools[pool]
            self.version += 1

    def report(self, pool: str, address: str, *, healthy: bool | None, reason: str = "", open_count: int = 0) -> None:
        """Take in what the balancer's health check found; hold the world's lock."""
        backend = self.pools.get(key(pool), {}).get(address)
        if backend is None:
            return
        before, backend.healthy = backend.healthy, healthy
        backend.reason, backend.open = reason, open_count
        if healthy is not before and not backend.draining:
            name = {True: "healthy", False: "unhealthy", None: "unknown"}[healthy]
            self.world.emit("target-health", group=pool, address=address, state=name, reason=reason)

    def advance(self, now: float) -> None:
        """End what has drained; ask the probe."""
        for pool, known in self.pools.items():
            for backend in list(known.values()):
                if backend.until is not None and now >= backend.until:
                    del known[backend.address]
                    self._changed("drained", pool, backend.address)
                elif self.world.probe is not None and not backend.draining:
                    healthy = self.world.probe(pool, backend.address)
                    self.report(pool, backend.address, healthy=healthy, reason="" if healthy else "No answer in time")

    def _changed(self, event: str, pool: str, address: str) -> None:
        self.version += 1
        self.world.emit(f"target-{event}", group=pool, address=address)
