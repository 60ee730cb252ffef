"""The journal of backups: what must outlive the process, written before anybody relies on it.

It holds the tokens of a lock; implementations keep it encrypted and closed to others. One entry is one set under way.
"""

from __future__ import annotations

from typing import Protocol

from automation.core.backups.memory import Memory


class Journal(Protocol):
    """Entries of sets that were begun."""

    def write(self, memory: Memory) -> None:
        """Store the newest memory of a set durably; returns when it would survive a power cut."""
        ...

    def unfinished(self, cluster: str) -> tuple[Memory, ...]:
        """Return the newest memory of every set that never ended, oldest first."""
        ...

    def newest(self, cluster: str, limit: int = 10) -> tuple[Memory, ...]:
        """Return the newest entries, ended ones too, newest first."""
        ...
