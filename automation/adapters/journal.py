"""The journal of backups in the store's database (``ports.journal.Journal``): one row a set, sealed.

A row is written before every act that relies on it, under the lock too.
"""

from __future__ import annotations

from automation.adapters.runs.store import Store
from automation.adapters.sealed_table import SealedTable
from automation.core.backups.memory import Memory


class StoredJournal(SealedTable[Memory]):
    """Implements ``ports.journal.Journal``."""

    def __init__(self, store: Store) -> None:
        """Take the store whose database and seal are used; nothing is opened before the first call."""
        super().__init__(store, "bbdc_backups", "set_id", Memory, "the journal of backups")

    def write(self, memory: Memory) -> None:
        """Store the newest memory of a set durably.

        Raises:
            Unavailable: the database did not take it: disk full, locked for long, or away.
        """
        made = memory.backup
        self.put(memory, key=made.id, cluster=made.cluster, over=memory.is_over, created=made.created)

    def newest(self, cluster: str, limit: int = 10) -> tuple[Memory, ...]:
        """Return the newest entries, newest first."""
        return self.latest(cluster, limit)
