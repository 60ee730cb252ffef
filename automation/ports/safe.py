"""Everything outside that a backup needs, in one value."""

from __future__ import annotations

from dataclasses import dataclass

from automation.ports.bitbucket import Bitbucket
from automation.ports.clock import Clock
from automation.ports.cloud import Group
from automation.ports.journal import Journal
from automation.ports.maintenance import Maintenance, NodeLogs
from automation.ports.together import Together
from automation.ports.vaults import Manifests, Vault


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

    @property
    def vaults(self) -> tuple[Vault, ...]:
        """The vaults of every member's kind."""
        return tuple(vault for vault in (self.disks, self.database, self.search) if vault is not None)
