"""One simulated estate as a backup sees it: the ports of ``Safe`` over Bitbucket's model and the simulated storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from automation.core.backups.memory import Memory
from automation.ports.errors import BbdcError
from automation.ports.safe import Safe
from lab.bitbucket.records import WorldRefused
from lab.sim.estate import Estate
from lab.sim.maintenance import SimMaintenance, SimNodeLogs
from lab.sim.pushes import Pushes
from lab.sim.safe_witness import SafeWitness
from lab.sim.settings import SimSettings, VaultSettings
from lab.sim.storage import Storage
from lab.sim.vaults import SimDatabase, SimDisks, SimManifests

T = TypeVar("T")


class MemoryJournal:
    """Port Journal: holds what was written to it, and outlives a process as a file would."""

    def __init__(self) -> None:
        self._entries: dict[str, Memory] = {}
        self.writes = 0

    def write(self, memory: Memory) -> None:
        """Store the newest memory of a set."""
        self.writes += 1
        self._entries[memory.backup.id] = memory

    def unfinished(self, cluster: str) -> tuple[Memory, ...]:
        """Return the sets that are not over, oldest first."""
        mine = (m for m in self._entries.values() if m.backup.cluster == cluster and not m.is_over)
        return tuple(sorted(mine, key=lambda m: (m.backup.created, m.backup.id)))

    def newest(self, cluster: str, limit: int = 10) -> tuple[Memory, ...]:
        """Return the newest entries."""
        mine = [m for m in self._entries.values() if m.backup.cluster == cluster]
        return tuple(sorted(mine, key=lambda m: (m.backup.created, m.backup.id), reverse=True)[:limit])


class Sequentially:
    """Port Together, one call after the other: in virtual time all of them still happen at one instant."""

    def __call__(self, calls: Sequence[Callable[[], T]]) -> tuple[T | BbdcError, ...]:
        """Make all the calls; a defect in one of them is raised when they are over."""
        outcomes: list[T | BbdcError] = []
        defects: list[Exception] = []
        for call in calls:
            try:
                outcomes.append(call())
            except BbdcError as error:
                outcomes.append(error)
            except Exception as error:  # noqa: BLE001 (raised below: the others go on until their end, as threads do)
                defects.append(error)
        for defect in defects:
            raise defect
        return tuple(outcomes)


@dataclass
class SafeEstate:
    """A serving cluster with data, its ports, and a witness; everything lives on one virtual clock."""

    settings: SimSettings = field(default_factory=SimSettings)
    vaults: VaultSettings = field(default_factory=VaultSettings)
    seed: int = 0
    cluster: str = "sim"

    def __post_init__(self) -> None:
        self.estate = Estate(self.settings, self.seed)
        self.clock, self.bitbucket, self.cloud = self.estate.clock, self.estate.bitbucket, self.estate.cloud
        count = self.settings.repositories
        self.pushes = Pushes(self.bitbucket, self.clock.now(), rate=self.vaults.pushes, repositories=count)
        self.storage = Storage(self.vaults, self.pushes, count)
        self.estate.parts.insert(0, self.storage)
        self.logs = SimNodeLogs()
        self.maintenance = SimMaintenance(self.bitbucket, self.clock, self.logs)
        self.manifests, self.journal = SimManifests(), MemoryJournal()
        self.witness = SafeWitness(self.storage, self.manifests, self.maintenance, self.clock)
        self.clock.on_move(self.witness.watch)
        self.safe = Safe(
            clock=self.clock,
            bitbucket=self.estate.world.bitbucket,
            maintenance=self.maintenance,
            logs=self.logs,
            group=self.estate.world.group,
            disks=SimDisks(self.storage, self.clock),
            database=SimDatabase(self.storage, self.clock),
            search=None,
            manifests=self.manifests,
            journal=self.journal,
            together=Sequentially(),
        )

    # -- other people ---------------------------------------------------------------------------------------------

    def somebody_locks(self, name: str = "alice") -> str:
        """Let another administrator lock Bitbucket; return the token.

        Raises:
            WorldRefused: it is locked already.
        """
        reply = self.bitbucket.maintenance.lock(name, name.title(), self.clock.now())
        if reply.body is None or not reply.ok:
            raise WorldRefused("Bitbucket is locked already")
        self.logs.tokens.append(reply.body["unlockToken"])
        return str(reply.body["unlockToken"])

    def somebody_unlocks(self) -> None:
        """Let another administrator free Bitbucket, with the token out of the log."""
        if self.bitbucket.maintenance.held is not None:
            self.bitbucket.maintenance.unlock(self.bitbucket.maintenance.held.token)

    def somebody_cancels(self) -> None:
        """Let another administrator cancel the task."""
        if self.bitbucket.maintenance.task is not None:
            self.bitbucket.maintenance.cancel(self.bitbucket.maintenance.task.cancel_token)

    def node_joins(self) -> None:
        """Let the node group grow by one machine: it boots, and joins whether Bitbucket is locked or not."""
        self.cloud.maximum = max(self.cloud.maximum, self.cloud.desired + 1)
        self.cloud.order(self.cloud.desired + 1)
        self.cloud.tick(self.clock.now())

    @property
    def locked_by(self) -> str | None:
        """Who truly holds the lock."""
        held = self.bitbucket.maintenance.held
        return None if held is None else held.owner
