"""The maintenance lock and the backup task of one cluster: pure, in memory across the cluster, no expiry.

Order of calls and shapes as Atlassian's do-it-yourself scripts use them; the words of the latches are inferred.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lab.bitbucket.faults import FaultBook
from lab.bitbucket.records import Json, Reply, Settings, errors

_PREPARATION = 10
"""Per cent of the progress bar that belong to Bitbucket's own preparation; the client has the rest."""


@dataclass(slots=True)
class Lock:
    """Who holds the cluster, since when, and the token that frees it."""

    token: str
    owner: str
    owner_name: str
    since: float


@dataclass(slots=True)
class Task:
    """A backup task."""

    id: str
    cancel_token: str
    started: float
    client_percentage: int = 0
    state: str = "RUNNING"


class Maintenance:
    """Lock, drain, progress, unlock."""

    def __init__(self, settings: Settings, random: Random, faults: FaultBook) -> None:
        self.settings = settings
        self._random = random
        self._faults = faults
        self.held: Lock | None = None
        self.task: Task | None = None

    def forget(self) -> None:
        """Lose everything, as a restart of all nodes does (inferred)."""
        self.held = self.task = None

    def lock(self, owner: str, owner_name: str, now: float) -> Reply:
        """Lock the cluster: 202 with the unlock token, 409 when it is locked."""
        if self.held is not None:
            return errors(409, "The server is already locked for maintenance.", "MaintenanceLockedException")
        self.held = Lock(self._token(), owner, owner_name, now)
        return Reply(202, {"unlockToken": self.held.token, "owner": self._owner(self.held)})

    def lock_view(self) -> Reply:
        """Tell who holds the lock: 404 once it is free."""
        if self.held is None:
            return _not_locked()
        return Reply(200, {"owner": self._owner(self.held)})

    def unlock(self, token: str) -> Reply:
        """Free the cluster: 202; 409 for a wrong token, 404 when nothing is locked. A running task is cancelled."""
        if self.held is None:
            return _not_locked()
        if token != self.held.token:
            return errors(409, "The token does not match the lock.", "IncorrectTokenException")
        if self.task is not None and self.task.state == "RUNNING":
            self.task.state = "CANCELED"
        self.held = None
        return Reply(202)

    def start_backup(self, token: str, now: float) -> Reply:
        """Start the backup task, which begins to drain database and Git processes."""
        if self.held is None:
            return errors(409, "The server must be locked for maintenance first.", "IllegalMaintenanceStateException")
        if token != self.held.token:
            return _wrong_token()
        if self.task is not None and self.task.state == "RUNNING":
            return errors(409, "A maintenance task is running.", "MaintenanceTaskRunningException")
        self.task = Task(self._token()[:12], self._token(), now)
        return Reply(202, self._task_view(now, self.task) | {"cancelToken": self.task.cancel_token})

    def view(self, token: str, now: float) -> Reply:
        """Return the running task and how far database and Git are drained; 404 without a task."""
        if self.held is not None and token != self.held.token:
            return _wrong_token()
        if self.task is None:
            return errors(404, "No maintenance task is running.", "NoSuchTaskException")
        latches = {"db-state": self.database_state(now), "scm-state": self.scm_state(now)}
        return Reply(200, {"task": self._task_view(now, self.task), **latches})

    def progress(self, token: str, percentage: int) -> Reply:
        """Take the client's own progress; 100 completes the task and unlatches database and Git."""
        if self.held is None or self.task is None or self.task.state != "RUNNING":
            return errors(409, "No backup is running.", "NoSuchTaskException")
        if token != self.held.token:
            return _wrong_token()
        if not 0 <= percentage <= 100:
            return errors(400, "percentage must be between 0 and 100.", "ArgumentValidationException", "percentage")
        self.task.client_percentage = max(self.task.client_percentage, percentage)
        if percentage == 100:
            self.task.state = "SUCCESSFUL"
        return Reply(202)

    def cancel(self, token: str) -> Reply:
        """Cancel the running task; the lock stays."""
        if self.task is None or self.task.state != "RUNNING":
            return errors(404, "No maintenance task is running.", "NoSuchTaskException")
        if token != self.task.cancel_token:
            return errors(409, "The token does not match the task.", "IncorrectTokenException")
        self.task.state = "CANCELED"
        return Reply(202)

    def database_state(self, now: float) -> str:
        """Return AVAILABLE, LATCHED (draining) or DRAINED for the database connections."""
        return self._latch(now, self.settings.database_drain_seconds)

    def scm_state(self, now: float) -> str:
        """Return AVAILABLE, LATCHED (draining) or DRAINED for the Git processes."""
        drained = self._latch(now, self.settings.scm_drain_seconds)
        return "LATCHED" if drained == "DRAINED" and self._faults.on("drain_never") else drained

    def latched(self) -> bool:
        """True while neither database nor Git may be used."""
        return self.task is not None and self.task.state == "RUNNING"

    def to_json(self) -> Json | None:
        """Return the lock without its token, None when nothing is locked."""
        return None if self.held is None else {"owner": self.held.owner, "since": self.held.since}

    def _latch(self, now: float, seconds: float) -> str:
        if self.task is None or self.task.state != "RUNNING":
            return "AVAILABLE"
        return "DRAINED" if now - self.task.started >= seconds else "LATCHED"

    def _task_view(self, now: float, task: Task) -> Json:
        prepared = self.database_state(now) == self.scm_state(now) == "DRAINED"
        shown = _PREPARATION + task.client_percentage * (100 - _PREPARATION) // 100 if prepared else 0
        percentage = 100 if task.state == "SUCCESSFUL" else shown
        message = "Waiting for the external backup" if prepared else "Draining"
        progress = {"message": message, "percentage": percentage}
        return {"id": task.id, "progress": progress, "state": task.state, "type": "BACKUP"}

    def _owner(self, lock: Lock) -> Json:
        return {"displayName": lock.owner_name, "name": lock.owner}

    def _token(self) -> str:
        return f"{self._random.getrandbits(160):040x}"


def _wrong_token() -> Reply:
    return errors(409, "The maintenance token is missing or wrong.", "IncorrectTokenException")


def _not_locked() -> Reply:
    return errors(404, "The server is not locked for maintenance.", "NotLockedException")
