"""What members of sets on Azure have in common: whose they are, and how copies are marked. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automation.adapters.azure import tags
from automation.core.backups import labels
from automation.core.backups.sets import Snapshot
from automation.ports.errors import Conflict, Refused
from automation.ports.vaults import Destination

ORIGINAL = "backup-source-snapshot"
"""Word on a copy: the restore point or snapshot that it was copied from."""
Json = dict[str, Any]


def is_of(found: Json, cluster: str, set_id: str | None) -> bool:
    """Tell whether something belongs to a set of the cluster, or to the one set."""
    words = tags.words(found)
    return words.get(labels.CLUSTER) == cluster and labels.SET in words and set_id in {None, words[labels.SET]}


def is_copy(found: Json) -> bool:
    """Tell whether something was copied from somewhere else."""
    return ORIGINAL in tags.words(found)


def is_going(found: Json) -> bool:
    """Tell whether something is being deleted."""
    return (found.get("properties") or {}).get("provisioningState") == "Deleting"


def refuse_other(snapshot: Snapshot, words: Mapping[str, str]) -> None:
    """Raise Conflict when what is there now belongs to another set than what was observed."""
    now, before = words.get(labels.SET), snapshot.tags.get(labels.SET)
    if now != before:
        raise Conflict(f"snapshot {snapshot.id} belongs to {now or 'no set'}, not to {before or 'none'} as observed")


def copied_words(snapshot: Snapshot, words: Mapping[str, str], original: str) -> dict[str, str]:
    """Return the words of a copy: the set's, the original's own role, and what it is a copy of."""
    kept = {word: snapshot.tags[word] for word in (labels.ROLE,) if word in snapshot.tags}
    return {**kept, **words, ORIGINAL: original}


def refuse_role(to: Destination) -> None:
    """Raise Refused for a destination under another identity: Azure copies within one subscription.

    Raises:
        Refused: a role was asked for.
    """
    if to.role:
        raise Refused(
            "other_account",
            f"no copies under the role {to.role}: Azure copies restore points within one subscription",
            hint="leave the role out; the copy lies in the estate's own resource group, in the other region",
        )
