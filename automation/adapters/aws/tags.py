"""The tags by which an estate's parts are known; the Pulumi program writes them, the adapters read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CLUSTER = "bitbucket-dc:cluster"
VERSION = "bitbucket-dc:version"
ROLE = "bitbucket-dc:role"
TARGET_GROUP = "bitbucket-dc:target-group"
BACKUP_STATE = "bitbucket-dc:backup-state"


def read(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """Turn AWS's list of ``{Key, Value}`` into a mapping."""
    return {str(tag.get("Key")): str(tag.get("Value") or "") for tag in tags or ()}
