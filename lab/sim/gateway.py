"""Pools of addresses in virtual time: an application gateway whose updates take minutes, and a pool for SSH.

Semantics follow Azure where the engine can notice them (facts: clouds, part B): the gateway's document says what was
asked for, its data path has it when the update ends; an update that fails leaves the data path as it was; a newer
update cancels the one under way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

HTTP, SSH = "http", "ssh"
UPDATING, SUCCEEDED, FAILED, CANCELED = "Updating", "Succeeded", "Failed", "Canceled"


@dataclass(slots=True, eq=False)
class Update:
    """One write of the gateway, as whoever waits for it knows it."""

    due: float
    fails: bool
    state: str = UPDATING


@dataclass(slots=True)
class Gateway:
    """What the document says, and what is so."""

    wanted: tuple[str, ...] = ()
    """Addresses in the document."""
    taken_out: dict[str, float] = field(default_factory=dict)
    """Machine -> when it was taken out: the document's tag."""
    state: str = SUCCEEDED
    pools: dict[str, set[str]] = field(default_factory=lambda: {HTTP: set(), SSH: set()})
    """Addresses to which requests truly go, by pool."""
    update: Update | None = None
    dooms: list[bool] = field(default_factory=list)
    """Whether the next updates fail half-way, one each."""
    writes: int = 0

    def write(self, wanted: Collection[str], taken_out: Mapping[str, float], *, now: float, lasts: float) -> Update:
        """Begin an update; one that is under way is cancelled."""
        if self.update is not None:
            self.update.state = CANCELED
        self.wanted, self.taken_out, self.state = tuple(wanted), dict(taken_out), UPDATING
        self.update = Update(now + lasts, fails=self.dooms.pop(0) if self.dooms else False)
        self.writes += 1
        return self.update

    def end(self, now: float) -> bool:
        """End the update that is due; return whether the data path has changed."""
        update = self.update
        if update is None or update.due > now:
            return False
        self.update, self.state = None, FAILED if update.fails else SUCCEEDED
        update.state = self.state
        if not update.fails:
            self.pools[HTTP] = set(self.wanted)
        return not update.fails

    def holding(self, address: str) -> Iterator[str]:
        """Return the pools that truly hold an address."""
        return (pool for pool, addresses in self.pools.items() if address in addresses)
