r"""The tags by which an estate's parts are known; the Pulumi program writes them, the adapters read them.

Azure's limits: 50 tags on a resource, 512 characters for a name without ``<>%&\?/``, 256 for a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "bitbucket-dc:"
"""What the words of ``core.backups.labels`` begin with as tags."""
CLUSTER = "bitbucket-dc:cluster"
VERSION = "bitbucket-dc:version"
ROLE = "bitbucket-dc:role"
GENERATION = "bitbucket-dc:generation"
BACKUP_STATE = "bitbucket-dc:backup-state"
REPLACING = "bitbucket-dc:replacing"
"""On the scale set: machines whose reimaging was begun, with the version each still has. See ``nodes``."""
RENEWED = "bitbucket-dc:renewed"
"""On the scale set: instance ids that were reimaged and kept their disk's id, with the time. See ``nodes``."""
DRAINING = "bitbucket-dc:draining"
"""On the application gateway: machines taken out of the pools, and when. See ``load_balancer``."""
DRAINING_TIME = "bitbucket-dc:draining-time"
"""On the load balancer: seconds for which SSH sessions may go on after a machine was taken out."""
ARCHIVE = "bitbucket-dc:archive-url"
"""On the scale set: where nodes fetch Bitbucket from, with ``{version}``."""
LONGEST = 256
"""Longest value of a tag."""

ORIGINAL = "backup-source-snapshot"
"""Word on a copy: the snapshot that it was copied from."""
NODE, FILE_SERVER, MESH = "node", "file-server", "mesh"


def read(resource: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the tags of a resource as Azure Resource Manager has it (JSON)."""
    return {str(name): str(value or "") for name, value in ((resource or {}).get("tags") or {}).items()}


def is_of(resource: Mapping[str, Any], cluster: str, role: str | None = None) -> bool:
    """Tell whether a resource belongs to the cluster, and has this role where one is asked for."""
    found = read(resource)
    return found.get(CLUSTER) == cluster and (role is None or found.get(ROLE) == role)


def written(words: Mapping[str, str], **more: str) -> dict[str, str]:
    """Return words of ours as tags; ``more`` are tags without our prefix. Empty values are left out."""
    tags = {PREFIX + word: value for word, value in words.items()} | more
    return {name: value[:LONGEST] for name, value in tags.items() if value}


def words(resource: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the tags that are ours, without the prefix."""
    found = read(resource)
    return {name.removeprefix(PREFIX): value for name, value in found.items() if name.startswith(PREFIX)}
