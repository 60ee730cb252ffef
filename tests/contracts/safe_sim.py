"""The virtual-time vaults, lock and journal as subjects of the contract suites; and the HTTP adapter over the lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from automation.adapters.bitbucket.maintenance import TOKEN_HEADER, BitbucketMaintenance
from automation.adapters.http import Credentials, Http
from automation.adapters.logs import Redactor
from automation.core.backups.sets import MemberKind
from lab.bitbucket.records import Reply
from lab.sim.flavours import AWS_LIKE, AZURE_LIKE, Flavour
from lab.sim.safe import SafeEstate
from lab.sim.vaults import HOME
from tests.contracts.safe_subjects import LockSubject, SafeSubject


@dataclass
class SimVaultHands:
    """``safe_subjects.VaultHands`` over the simulated storage."""

    estate: SafeEstate

    def now(self) -> float:
        """Return the time."""
        return self.estate.clock.now()

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.estate.clock.sleep(seconds)

    def break_source(self, kind: MemberKind) -> None:
        """Take it out of service."""
        self._set(kind, "stopped", "it is detaching")

    def mend_source(self, kind: MemberKind) -> None:
        """Bring it back."""
        self._set(kind, "available", "")

    def _set(self, kind: MemberKind, state: str, problem: str) -> None:
        if kind is MemberKind.DATABASE:
            self.estate.storage.limits.database_state = state
        else:
            self.estate.storage.limits.volume_problem = problem

    def fail_next(self, kind: MemberKind) -> None:
        """Let the cloud have an internal error."""
        self.estate.storage.limits.failing.append(kind)

    def elsewhere(self) -> tuple[str, str, str]:
        """Return another region and two keys."""
        return "eu-north-1", "key/eu-north-1", f"key/{HOME[1]}"


@contextmanager
def safe_sim(_: Path, flavour: Flavour = AWS_LIKE) -> Iterator[SafeSubject]:
    """Yield the simulated vaults."""
    estate = flavour.safe()
    yield SafeSubject(
        estate.safe.disks,
        estate.safe.database,
        estate.safe.manifests,
        estate.cluster,
        SimVaultHands(estate),
        database_copies=not flavour.capabilities.database_restores_by_time,
    )


def safe_sim_by_time(root: Path) -> AbstractContextManager[SafeSubject]:
    """Yield vaults whose database is a moment, and whose disks share a restore point."""
    return safe_sim(root, AZURE_LIKE)


@dataclass
class SimLockHands:
    """``safe_subjects.LockHands`` over the model of the lock."""

    estate: SafeEstate

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.estate.clock.sleep(seconds)

    def somebody_locks(self) -> str:
        """Let alice lock it."""
        return self.estate.somebody_locks("alice")


@contextmanager
def sim_lock(_: Path) -> Iterator[LockSubject]:
    """Yield the simulated port."""
    estate = SafeEstate()
    estate.maintenance.name = "admin"
    yield LockSubject(estate.maintenance, SimLockHands(estate))


@dataclass
class LockDoor:
    """HTTP in front of the model of the lock; it asks for user and password."""

    estate: SafeEstate

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.headers.get("Authorization") != "Basic YWRtaW46aHVudGVyMjI=":
            return httpx.Response(401)
        reply = self._reply(request)
        return httpx.Response(reply.status) if reply.body is None else httpx.Response(reply.status, json=reply.body)

    def _reply(self, request: httpx.Request) -> Reply:
        model, now, query = self.estate.bitbucket.maintenance, self.estate.clock.now(), request.url.params
        header = request.headers.get(TOKEN_HEADER, "")
        self.estate.bitbucket.tick(now)
        calls: dict[tuple[str, str], Callable[[], Reply]] = {
            ("POST", "/mvc/maintenance/lock"): lambda: model.lock("admin", "Administrator", now),
            ("GET", "/mvc/maintenance/lock"): model.lock_view,
            ("DELETE", "/mvc/maintenance/lock"): lambda: model.unlock(query["token"]),
            ("POST", "/mvc/admin/backups"): lambda: model.start_backup(header, now),
            ("GET", "/mvc/maintenance"): lambda: model.view(header, now),
            ("POST", "/mvc/admin/backups/progress/client"): lambda: model.progress(
                query["token"], int(query["percentage"])
            ),
            ("POST", "/mvc/maintenance"): lambda: model.cancel(query["token"]),
        }
        return calls[request.method, request.url.path]()


@contextmanager
def rest_lock(_: Path) -> Iterator[LockSubject]:
    """Yield the adapter over the same model, through HTTP."""
    estate = SafeEstate()
    credentials = Credentials(user="admin", password=SecretStr("hunter22"))
    http = Http(credentials=credentials, transport=httpx.MockTransport(LockDoor(estate)))
    port = BitbucketMaintenance(http, "https://bitbucket.example.com", estate.clock, Redactor(), user="admin")
    yield LockSubject(port, SimLockHands(estate))
    http.close()
