"""What the contract tests of backups' ports have in their hands: the ports, and the world behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automation.core.backups.sets import MemberKind
from automation.ports.maintenance import Maintenance
from automation.ports.vaults import Manifests, Vault


class VaultHands(Protocol):
    """What a test does to the cloud from outside."""

    def now(self) -> float:
        """Return the time."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass; 120 s are enough for every snapshot."""
        ...

    def break_source(self, kind: MemberKind) -> None:
        """Bring a source into a state of which no snapshot can be taken."""
        ...

    def mend_source(self, kind: MemberKind) -> None:
        """Bring it back."""
        ...

    def fail_next(self, kind: MemberKind) -> None:
        """Let the next snapshot of this kind fail after a while."""
        ...

    def elsewhere(self) -> tuple[str, str, str]:
        """Return another region, a key that is good there, and one that is not."""
        ...


@dataclass(frozen=True)
class SafeSubject:
    """One implementation: an estate with two volumes on one machine at least, one database, and a manifest store."""

    disks: Vault
    database: Vault
    manifests: Manifests
    cluster: str
    hands: VaultHands
    database_copies: bool = True
    """Whether the cloud copies a database's snapshot to another region at all."""

    def vault(self, kind: MemberKind) -> Vault:
        """Return the vault of a kind."""
        return {vault.kind: vault for vault in (self.disks, self.database)}[kind]


class LockHands(Protocol):
    """What a test does to a Bitbucket from outside."""

    def wait(self, seconds: float) -> None:
        """Let time pass; 30 s are enough for draining."""
        ...

    def somebody_locks(self) -> str:
        """Let ``alice`` lock it; return her token."""
        ...


@dataclass(frozen=True)
class LockSubject:
    """One implementation over a Bitbucket that serves, locking as ``admin``."""

    maintenance: Maintenance
    hands: LockHands
