"""Ids of Azure resources: paths whose letters' case means nothing. No I/O.

Azure writes the same id in different cases in different answers. Ours are kept in small letters, so that they can be
compared; every service takes them so.
"""

from __future__ import annotations

import hashlib
import re

_NOT_ALLOWED = re.compile(r"[^a-z0-9-]+")


def plain(identity: object) -> str:
    """Return an id in small letters, without a slash at its end; empty for nothing."""
    return str(identity or "").rstrip("/").lower()


def name_of(identity: str) -> str:
    """Return the last name in an id."""
    return identity.rstrip("/").rpartition("/")[2]


def part(identity: str, kind: str) -> str:
    """Return the name that follows ``kind`` in an id, such as the one after ``snapshots``; empty when none does."""
    parts = plain(identity).split("/")
    return parts[parts.index(kind.lower()) + 1] if kind.lower() in parts[:-1] else ""


def group_of(identity: str) -> str:
    """Return the resource group in an id."""
    return part(identity, "resourceGroups")


def fitting(*words: str, longest: int = 80) -> str:
    """Return a resource's name made of words: small letters, digits, hyphens; one that is too long ends in a digest."""
    name = "-".join(_NOT_ALLOWED.sub("-", word.lower()).strip("-") for word in words if word)
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: longest - 9].rstrip('-')}-{digest}"
