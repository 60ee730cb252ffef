"""The journal of restores in the store's database (``ports.restoring.RestoreJournal``): one row a restore, sealed."""

from __future__ import annotations

from automation.adapters.runs.store import Store
from automation.adapters.sealed_table import SealedTable
from automation.core.restores.memory import Memory


class StoredRestores:
    """Implements ``ports.restoring.RestoreJournal``."""

    def __init__(self, store: Store) -> None:
        """Take the store whose database and seal are used; nothing is opened before the first call."""
        self._rows = SealedTable(store, "bbdc_restores", "restore_id", Memory, "the journal of restores")

    def write(self, memory: Memory) -> None:
        """Store the newest memory of a restore durably; the moment when it was planned tells it from others.

        Raises:
            Unavailable: the database did not take it: disk full, locked for long, or away.
        """
        plan = memory.plan
        key = f"{plan.started:.6f}"
        self._rows.put(memory, key=key, cluster=plan.cluster, over=memory.is_over, created=plan.started)

    def newest(self, cluster: str) -> Memory | None:
        """Return the newest restore of a cluster, over or not; None when there never was one.

        Raises:
            Forbidden: another key sealed it.
        """
        return next(iter(self._rows.latest(cluster, 1)), None)

    def close(self) -> None:
        """Close the connections that were opened."""
        self._rows.close()
