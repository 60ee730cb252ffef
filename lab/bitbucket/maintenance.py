"""The maintenance lock and the backup task of one cluster: pure, in memory across the cluster, no expiry.

Order of calls and shapes as Atlassian's do-it-yourself scripts use them; the words of the latches are inferred.
Database and Git are DRAINED when their seconds are over and no node that tells what runs on it holds them any longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from lab.bitbucket.faults import FaultBook
from lab.bitbucket.records import Json, Node, Reply, Settings, errors

Half = Literal["database", "scm"]
"""What is latched: the database's connections, or the Git processes."""
_PREPARATION = 10
"""Per cent of the progress bar that belong to Bitbucket's own preparation; the client has the rest."""
_CLOSING = 5
"""Per cent that are shown while database and Git drain."""


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
    database_drained: bool = False
    """Once drained it stays so: a node that joins later knows of the latch before it serves anybody."""
    scm_drained: bool = False

    @property
    def running(self) -> bool:
        """True until it is completed or cancelled."""
        return self.state == "RUNNING"


class Maintenance:
    """Lock, drain, progress, unlock."""

    def __init__(self, settings: Settings, random: Random, faults: FaultBook, nodes: Mapping[str, Node]) -> None:
        self.settings = settings
        self._random = random
        self._faults = faults
        self._nodes = nodes
        self.held: Lock | None = None
        self.task: Task | None = None

    def forget(self) -> None:
        """Lose everything, as a restart of all nodes does (inferred)."""
        self.held = self.task = None

    def lock(self, owner: str, owner_name: str, now: float) -> Reply:
        """Lock the cluster: 202 with the unlock token, 409 when it is locked."""
        if self.held is not None:
            return errors(409, "The server is already locked for maintenance.", "MaintenanceLockedException")
        self.held, self.task = Lock(self._token(), owner, owner_name, now), None
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
        if self.task is not None and self.task.running:
            self.task.state = "CANCELED"
        self.held = None
        return Reply(202)

    def start_backup(self, token: str, now: float) -> Reply:
        """Start the backup task, which begins to drain database and Git processes."""
        if self.held is None:
            return errors(409, "The server must be locked for maintenance first.", "IllegalMaintenanceStateException")
        if token != self.held.token:
            return _wrong_token()
        if self.task is not None and self.task.running:
            return errors(409, "A maintenance task is running.", "MaintenanceTaskRunningException")
        self.task = Task(self._token()[:12], self._token(), now)
        return Reply(202, self._task_view(now, self.task) | {"cancelToken": self.task.cancel_token})

    def view(self, token: str, now: float) -> Reply:
        """Return the running task and how far database and Git are drained; 404 without a task."""
        if self.held is not None and token != self.held.token:
            return _wrong_token()
        if self.held is None or self.task is None:
            return errors(404, "No maintenance task is running.", "NoSuchTaskException")
        latches = {"db-state": self.database_state(now), "scm-state": self.scm_state(now)}
        return Reply(200, {"task": self._task_view(now, self.task), **latches})

    def progress(self, token: str, percentage: int) -> Reply:
        """Take the client's own progress; 100 completes the task and unlatches database and Git."""
        if self.held is None or self.task is None or not self.task.running:
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
        if self.task is None or not self.task.running:
            return errors(404, "No maintenance task is running.", "NoSuchTaskException")
        if token != self.task.cancel_token:
            return errors(409, "The token does not match the task.", "IncorrectTokenException")
        self.task.state = "CANCELED"
        return Reply(202)

    def database_state(self, now: float) -> str:
        """Return AVAILABLE, LATCHED (draining) or DRAINED for the database connections."""
        if not self.latched() or self.task is None:
            return "AVAILABLE"
        if not self.task.database_drained:
            self.task.database_drained = self._drains(self.task, "database", now)
        return "DRAINED" if self.task.database_drained else "LATCHED"

    def scm_state(self, now: float) -> str:
        """Return AVAILABLE, LATCHED (draining) or DRAINED for the Git processes."""
        if not self.latched() or self.task is None:
            return "AVAILABLE"
        if not self.task.scm_drained:
            self.task.scm_drained = self._drains(self.task, "scm", now)
        return "DRAINED" if self.task.scm_drained else "LATCHED"

    def drained(self, now: float) -> bool:
        """True from the moment at which nothing changes any more until the task ends."""
        return self.database_state(now) == self.scm_state(now) == "DRAINED"

    def latched(self) -> bool:
        """True while neither database nor Git may be used."""
        return self.task is not None and self.task.running

    def to_json(self) -> Json | None:
        """Return the lock without its token, None when nothing is locked."""
        return None if self.held is None else {"owner": self.held.owner, "since": self.held.since}

    def told(self, now: float, *, locked: bool) -> Json:
        """Return what a node learns with a heartbeat: the lock if it knows of it, the task, the latch."""
        lock = {"token": self.held.token, "owner": self.held.owner} if locked and self.held else None
        task = self.task
        shown = None if task is None else {"id": task.id, "state": task.state, "drained": self.drained(now)}
        return {"lock": lock, "task": shown, "latch": task.id if task is not None and task.running else None}

    def strike(self, now: float) -> None:
        """Act out the faults that somebody else would cause: a cancelled task, a lock that is gone."""
        fault = self._faults.on("task_cancelled")
        if fault and self._is_at(str(fault.params["at"]), now) and self.task is not None:
            self._faults.take("task_cancelled")
            self.task.state = "CANCELED"
        fault = self._faults.on("lock_lost")
        if fault and self._is_at(str(fault.params["at"]), now):
            self._faults.take("lock_lost")
            self.forget()

    def _is_at(self, point: str, now: float) -> bool:
        reached = {"locked": self.held is not None, "started": self.latched(), "drained": self.drained(now)}
        return reached.get(point, False)

    def _drains(self, task: Task, half: Half, now: float) -> bool:
        seconds = self.settings.database_drain_seconds if half == "database" else self.settings.scm_drain_seconds
        never = self._faults.on("drain_never")
        if now - task.started < seconds or (never and never.params["what"] == half):
            return False
        return not any(_holds(node, task, half) for node in self._nodes.values())

    def _task_view(self, now: float, task: Task) -> Json:
        prepared = self.drained(now)
        shown = _PREPARATION + task.client_percentage * (100 - _PREPARATION) // 100 if prepared else _CLOSING
        percentage = 100 if task.state == "SUCCESSFUL" else shown
        message = "Waiting for the external backup" if prepared else "Closing connections to the current database"
        progress = {"message": message, "percentage": percentage}
        return {"id": task.id, "progress": progress, "state": task.state, "type": "BACKUP"}

    def _owner(self, lock: Lock) -> Json:
        return {"displayName": lock.owner_name, "name": lock.owner}

    def _token(self) -> str:
        return f"{self._random.getrandbits(160):040x}"


def _holds(node: Node, task: Task, half: Half) -> bool:
    """Tell whether something may still run on a node; one that tells nothing (in virtual time) holds nothing.

    Of a silent node nobody knows: it holds until it speaks again or the others have dropped it.
    """
    if node.git is None:
        return False
    return node.dead or node.latch != task.id or (node.git if half == "scm" else node.writes) > 0


def _wrong_token() -> Reply:
    return errors(409, "The maintenance token is missing or wrong.", "IncorrectTokenException")


def _not_locked() -> Reply:
    return errors(404, "The server is not locked for maintenance.", "NotLockedException")
