"""All sets of a cluster: from their manifests, and, where one is missing, from the tags on the snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from automation.core.backups.labels import SET, rebuild
from automation.core.backups.sets import BackupSet, Snapshot
from automation.ports.errors import NotFound
from automation.ports.safe import Safe


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is there."""

    sets: tuple[BackupSet, ...]
    """Oldest first; those without a manifest are among them, rebuilt from tags."""
    orphans: tuple[Snapshot, ...]
    """Snapshots with our tags that belong to no manifest, or to none of its members."""

    def find(self, set_id: str) -> BackupSet:
        """Return a set by its id, or else by its name; of several with one name the newest.

        Raises:
            NotFound: there is none.
        """
        ids = [found for found in self.sets if found.id == set_id]
        for found in (*ids, *reversed(self.sets)):
            if set_id in {found.id, found.name}:
                return found
        raise NotFound(f"there is no backup set {set_id}", hint="`bbdc backup list` shows all")


def shelf(safe: Safe) -> Shelf:
    """Read manifests and snapshots.

    Raises:
        BbdcError: the cloud could not be asked.
    """
    written = safe.manifests.all()
    snapshots = tuple(s for vault in safe.vaults for s in vault.snapshots())
    ids = {each.id for each in written}
    members = {member.snapshot for each in written for member in each.members}
    lost = rebuild(s for s in snapshots if s.tags.get(SET) not in ids)
    orphans = tuple(s for s in snapshots if s.id not in members)
    return Shelf(tuple(sorted((*written, *lost), key=lambda each: (each.created, each.id))), orphans)
