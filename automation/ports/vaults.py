"""Where members of a backup set come from: disks, database, search; and where manifests lie.

AWS: EBS, RDS (or Aurora), OpenSearch, S3. Azure: managed disks, flexible PostgreSQL, blobs.
Every method may raise Unavailable (Throttled), Unreachable, NotAuthenticated, Forbidden or Unexpected. Acts are
idempotent and carry the identity observed; "already so" and "already gone" are success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from automation.core.backups.sets import BackupSet, MemberKind, SetState, Snapshot, Source


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a set is copied to."""

    region: str
    encryption_key: str = ""
    """The target's own key; empty takes the target's default key."""
    role: str = ""
    """Identity to take in the target account (AWS: a role's ARN); empty stays in this one."""


class Vault(Protocol):
    """One kind of member: what there is, and snapshots of it."""

    @property
    def kind(self) -> MemberKind:
        """The kind of member that this vault keeps."""
        ...

    def sources(self) -> tuple[Source, ...]:
        """Return everything of this kind that a set must hold; a source that cannot be taken now says why.

        Raises NotFound when the estate has nothing of this kind and must have.
        """
        ...

    def begin(self, of: BackupSet, sources: Sequence[Source]) -> tuple[Snapshot, ...]:
        """Begin snapshots of ``sources``, all of one group, at one instant; tagged ``pending`` at creation.

        Sent once: Unavailable means that it may have happened, look with ``snapshots``. Raises Conflict when a source
        is in no state for it, Refused with the name ``snapshot_quota`` when no more are allowed, and Forbidden.
        """
        ...

    def snapshots(self, set_id: str | None = None) -> tuple[Snapshot, ...]:
        """Return the cluster's snapshots that carry our tags, or those of one set only; also those of gone sources."""
        ...

    def label(self, snapshot: Snapshot, state: SetState) -> None:
        """Write the set's state on one of its members. A snapshot that is gone is NotFound."""
        ...

    def delete(self, snapshot: Snapshot) -> None:
        """Delete a snapshot that still carries the set it was observed with; Conflict otherwise. Gone is success."""
        ...

    def copy(self, snapshot: Snapshot, to: Destination, labels: Mapping[str, str]) -> Snapshot:
        """Begin a copy with the target's key, tagged at creation; one that is there already is returned as it is."""
        ...

    def copied(self, set_id: str, to: Destination) -> tuple[Snapshot, ...]:
        """Return the copies of a set at a destination, each with its original as ``source``."""
        ...


class Manifests(Protocol):
    """Where sets are written down: versioned and encrypted."""

    def place(self) -> str:
        """Return where they lie, for people."""
        ...

    def account(self) -> tuple[str, str]:
        """Return (account, region) that the estate stands in."""
        ...

    def write(self, manifest: BackupSet) -> None:
        """Write a set's manifest; the last one wins, older ones stay as versions. Raises NotFound without a store."""
        ...

    def read(self, set_id: str) -> BackupSet:
        """Return a set. Raises NotFound."""
        ...

    def all(self) -> tuple[BackupSet, ...]:
        """Return every set of the cluster, oldest first."""
        ...

    def remove(self, set_id: str) -> None:
        """Remove a set's manifest, once its snapshots are gone. Gone is success."""
        ...
