"""Everything outside that a backup needs, in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from automation.ports.bitbucket import Bitbucket
from automation.ports.clock import Clock
from automation.ports.cloud import Group
from automation.ports.journal import Journal
from automation.ports.maintenance import Maintenance, NodeLogs
from automation.ports.together import Together
from automation.ports.vaults import Manifests, Vault


class Timing(Protocol):
    """When it is good to lock."""

    def before_lock(self) -> None:
        """Return, within seconds, at a moment from which on users wait least; called while they still work.

        Raises what every port raises.
        """
        ...


class AtOnce:
    """Implements ``Timing`` where one moment is as good as another."""

    def before_lock(self) -> None:
        """Wait for nothing."""


@dataclass(frozen=True, slots=True)
class Safe:
    """One estate's ports for backups, chosen once: by ``automation.bootstrap``, or by the lab for virtual time."""

    clock: Clock
    bitbucket: Bitbucket
    maintenance: Maintenance
    logs: NodeLogs
    group: Group
    disks: Vault
    database: Vault
    search: Vault | None
    """None where the index is rebuilt after a restore instead."""
    manifests: Manifests
    journal: Journal
    together: Together
    timing: Timing = field(default_factory=AtOnce)

    @property
    def vaults(self) -> tuple[Vault, ...]:
        """The vaults of every member's kind."""
        return tuple(vault for vault in (self.disks, self.database, self.search) if vault is not None)
