"""The maintenance ports over the lab's model of the lock, and what the nodes' logs tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from automation.ports.clock import Clock
from automation.ports.errors import Conflict, Forbidden, Unavailable, Unexpected
from automation.ports.maintenance import BackupTask, Lock, MaintenanceState
from lab.bitbucket.maintenance import Maintenance
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import Json, Reply


@dataclass
class SimNodeLogs:
    """Port NodeLogs: what the nodes wrote down."""

    tokens: list[str] = field(default_factory=list)
    """Every token that was ever logged, oldest first: no output of ours may hold one."""
    readable: bool = True
    """False: no node can be asked."""

    def unlock_tokens(self) -> tuple[str, ...]:
        """Return the tokens, newest first."""
        return tuple(reversed(self.tokens)) if self.readable else ()


@dataclass
class Calls:
    """What reached Bitbucket's maintenance API, and when."""

    made: list[tuple[float, str]] = field(default_factory=list)

    def count(self, name: str) -> int:
        """Return how often one call arrived."""
        return sum(each == name for _, each in self.made)

    def looks(self, begin: float, end: float) -> int:
        """Return how many of them only looked, in a time."""
        return sum(begin <= at <= end and name in {"state", "owner"} for at, name in self.made)


@dataclass
class SimMaintenance:
    """Port Maintenance: a system administrator with a password, unless the test says otherwise."""

    bitbucket: Cluster
    clock: Clock
    logs: SimNodeLogs
    calls: Calls = field(default_factory=Calls)
    name: str = "backup"
    """Empty: there is only a token, which the lock refuses."""
    may: bool = True
    """False: the user is no system administrator."""
    outage: bool = False
    """Nobody reaches Bitbucket."""
    cancel_tokens: list[str] = field(default_factory=list)
    """Every cancel token that was ever given out."""

    def user(self) -> str:
        """Return whom it locks as."""
        return self.name

    def lock(self) -> Lock:
        """Lock; every node logs the token."""
        body = _body(self._reach("lock").lock(self.name, "Backup", self.clock.now()))
        self.logs.tokens.append(body["unlockToken"])
        return Lock(body["unlockToken"], body["owner"]["name"])

    def owner(self) -> str | None:
        """Say who holds the lock."""
        reply = self._reach("owner").lock_view()
        return None if reply.status == 404 else str(_body(reply)["owner"]["name"])

    def start_task(self, unlock_token: str) -> BackupTask:
        """Start the backup task."""
        body = _body(self._reach("start_task").start_backup(unlock_token, self.clock.now()))
        self.cancel_tokens.append(body["cancelToken"])
        return BackupTask(body["id"], body["cancelToken"])

    def state(self, unlock_token: str) -> MaintenanceState | None:
        """Say how far Bitbucket has drained."""
        reply = self._reach("state").view(unlock_token, self.clock.now())
        if reply.status == 404:
            return None
        body = _body(reply)
        return MaintenanceState(body["task"]["state"], body["db-state"], body["scm-state"])

    def progress(self, unlock_token: str, percentage: int) -> None:
        """Take the client's progress."""
        _body(self._reach(f"progress_{percentage}").progress(unlock_token, percentage))

    def cancel(self, cancel_token: str) -> None:
        """Cancel the running task."""
        reply = self._reach("cancel").cancel(cancel_token)
        if reply.status != 404:
            _body(reply)

    def unlock(self, unlock_token: str) -> bool:
        """Unlock."""
        reply = self._reach("unlock").unlock(unlock_token)
        if reply.status == 404:
            return False
        _body(reply)
        return True

    def _reach(self, call: str) -> Maintenance:
        """Reach Bitbucket as somebody who may, or do not."""
        if self.outage:
            raise Unavailable(f"{call}: nobody answers")
        self.calls.made.append((self.clock.now(), call))
        if not self.may:
            raise Forbidden(f"{call}: 403", right="SYS_ADMIN")
        self.bitbucket.tick(self.clock.now())
        return self.bitbucket.maintenance


def _body(reply: Reply) -> Json:
    if reply.status == 409:
        raise Conflict(str((reply.body or {}).get("errors", [{}])[0].get("message", "409")))
    if not reply.ok:
        raise Unexpected(f"{reply.status}")
    return reply.body or {}
