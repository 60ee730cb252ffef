"""What snapshots of disks and of databases have in common: whose they are, and how copies are marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from automation.adapters.aws import tags
from automation.adapters.aws.session import Caller
from automation.core.backups import labels
from automation.core.backups.sets import Snapshot
from automation.ports.errors import Conflict, Unexpected
from automation.ports.vaults import Destination

GIB = 2**30


def refuse_other(snapshot: Snapshot, words: Mapping[str, str]) -> None:
    """Raise Conflict when what is there now belongs to another set than what was observed."""
    now, before = words.get(labels.SET), snapshot.tags.get(labels.SET)
    if now != before:
        raise Conflict(f"snapshot {snapshot.id} belongs to {now or 'no set'}, not to {before or 'none'} as observed")


def copied_words(snapshot: Snapshot, words: Mapping[str, str]) -> dict[str, str]:
    """Return the words of a copy: the set's, the original's own source and role, and which snapshot it comes from."""
    kept = {word: snapshot.tags[word] for word in (labels.ROLE,) if word in snapshot.tags}
    return {**kept, labels.SOURCE: snapshot.source, **words, tags.ORIGINAL: snapshot.id}


def other_account(caller: Caller, to: Destination) -> str:
    """Return the account of the destination's role when it is not ours; empty otherwise.

    Raises:
        Unexpected: the role is no ARN.
    """
    if not to.role:
        return ""
    parts = to.role.split(":")
    if len(parts) < 6 or not parts[4].isdigit():  # arn:partition:iam::account:role/name
        raise Unexpected(f"{to.role} is no role's ARN", hint="write it as arn:aws:iam::123456789012:role/name")
    own = str(caller.call("sts", "get_caller_identity")["Account"])
    return "" if parts[4] == own else parts[4]


def of_original(found: Snapshot) -> Snapshot:
    """Return a copy with the snapshot that it was copied from as its source."""
    return replace(found, source=found.tags.get(tags.ORIGINAL, found.source))


def without_copies(found: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
    """Leave out copies that lie beside their own originals, and what belongs to no set."""
    ids = {one.id for one in found}
    return tuple(one for one in found if labels.SET in one.tags and one.tags.get(tags.ORIGINAL) not in ids)


def name_of(words: Mapping[str, str]) -> str:
    """Return what people see in the console."""
    return f"{words[labels.CLUSTER]} {words[labels.SET]} {words.get(labels.ROLE, '')}".strip()
