"""Bitbucket's maintenance lock and its backup task.

Source: Atlassian's *Bitbucket DIY Backup* (calls and their order) and its do-it-yourself scripts. Only a system
administrator with a password may use it. The lock has no expiry and no heartbeat: whoever loses the token leaves
everybody locked out.

Every method may raise Unavailable, Unreachable, NotAuthenticated, Forbidden or Unexpected (ports.errors).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lock:
    """The answer to a lock."""

    token: str = field(repr=False)
    """Frees the cluster: a secret."""
    owner: str
    """User name of whoever holds it."""


@dataclass(frozen=True, slots=True)
class BackupTask:
    """The answer to the start of the backup task."""

    id: str
    cancel_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MaintenanceState:
    """What runs, and how far Bitbucket has drained."""

    task: str
    """RUNNING, SUCCESSFUL, CANCELED, FAILED."""
    database: str
    """AVAILABLE, LATCHED, DRAINED."""
    scm: str

    @property
    def is_running(self) -> bool:
        """True while the task is neither finished nor cancelled."""
        return self.task == "RUNNING"

    @property
    def is_drained(self) -> bool:
        """True when neither database nor repositories can change."""
        return self.is_running and self.database == self.scm == "DRAINED"


class Maintenance(Protocol):
    """Lock, backup task, progress, unlock."""

    def user(self) -> str:
        """Return the user name that this port locks as; empty when it cannot lock, having only a token."""
        ...

    def lock(self) -> Lock:
        """POST /mvc/maintenance/lock, once. Raises Conflict when the cluster is locked already.

        Unavailable means that it may have happened: the token is lost then, except in the nodes' logs.
        """
        ...

    def owner(self) -> str | None:
        """Return who holds the lock; None when the cluster is free. GET /mvc/maintenance/lock."""
        ...

    def start_task(self, unlock_token: str) -> BackupTask:
        """POST /mvc/admin/backups?external=true, once. Raises Conflict when the token is wrong or a task runs."""
        ...

    def state(self, unlock_token: str) -> MaintenanceState | None:
        """GET /mvc/maintenance; None when no task is known. Raises Conflict for a wrong token: the lock is lost."""
        ...

    def progress(self, unlock_token: str, percentage: int) -> None:
        """POST /mvc/admin/backups/progress/client; 100 completes the task and unlatches: send it once, last.

        Raises Conflict when no task runs any more.
        """
        ...

    def cancel(self, cancel_token: str) -> None:
        """POST /mvc/maintenance: cancel the running task; the lock stays. "No task runs" is success."""
        ...

    def unlock(self, unlock_token: str) -> bool:
        """DELETE /mvc/maintenance/lock, once. False when the cluster was free already.

        Raises Conflict when the token is wrong: somebody else holds the cluster now.
        """
        ...


class NodeLogs(Protocol):
    """What Bitbucket's nodes have written."""

    def unlock_tokens(self) -> tuple[str, ...]:
        """Return the unlock tokens that the nodes' logs tell of, newest first.

        Every node writes "It may be unlocked with token: ..." when the cluster is locked: the way back for a token
        whose answer was lost. A node that cannot be asked is left out; empty when none knows one. Raises Unavailable
        when none told one, and one of them did not answer.
        """
        ...
