"""The tags by which an estate's parts are known; the Pulumi program writes them, the adapters read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

CLUSTER = "bitbucket-dc:cluster"
VERSION = "bitbucket-dc:version"
ROLE = "bitbucket-dc:role"
TARGET_GROUP = "bitbucket-dc:target-group"
ROLE = "bitbucket-dc:role"
GENERATION = "bitbucket-dc:generation"
BACKUP_STATE = "bitbucket-dc:backup-state"
PREFIX = "bitbucket-dc:"
"""What the words of ``core.backups.labels`` begin with as tags."""
ORIGINAL = "backup-source-snapshot"
"""Word on a copy: the snapshot that it was copied from."""
_NOT_ALLOWED = re.compile(r"[^\w\s+\-=.:/@]")
_LONGEST = 256


def read(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Turn AWS's list of ``{Key, Value}`` into a mapping."""
    return {str(tag.get("Key")): str(tag.get("Value") or "") for tag in tags or ()}


def written(words: Mapping[str, str], **more: str) -> list[dict[str, str]]:
    """Return words of ours as AWS's list of tags; ``more`` are tags without our prefix, such as ``Name``.

    RDS takes letters, digits, spaces and ``_ . : / = + - @`` only: anything else in an operator's text becomes ``_``.
    """
    tags = {PREFIX + word: value for word, value in words.items()} | more
    return [{"Key": key, "Value": _NOT_ALLOWED.sub("_", value)[:_LONGEST]} for key, value in tags.items() if value]


def words(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Return the tags that are ours, without the prefix."""
    return {key.removeprefix(PREFIX): value for key, value in read(tags).items() if key.startswith(PREFIX)}


def filters(words: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return EC2's filters for things that carry these words."""
    return [{"Name": f"tag:{PREFIX}{word}", "Values": [value]} for word, value in words.items()]
