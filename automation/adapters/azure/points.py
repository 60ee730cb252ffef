"""The moments in the database's log that sets stand for: one small blob each, beside the manifests.

A flexible server's backups carry no tags, and cannot be restored by name; what a set needs of the database is a moment
to restore to. The moment and the set's words are written down here, before anything else of it is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from automation.adapters.azure.containers import Blobs
from automation.core.backups.manifest import moment, seconds_of
from automation.ports.errors import Conflict, NotFound, Unexpected

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Point:
    """What one set holds of the database."""

    set_id: str
    server: str
    """Id of the flexible server."""
    at: float
    """Moment to restore to, seconds since the epoch, by Azure's clock."""
    backup: str = ""
    """Name of the on-demand backup that was asked for; empty when Azure did not take it."""
    note: str = ""
    """Why it did not."""
    words: Mapping[str, str] = field(default_factory=dict)
    """The set's words, by the names in ``core.backups.labels``."""


class Points:
    """Writes, reads and removes them."""

    def __init__(self, blobs: Blobs, cluster: str) -> None:
        self._blobs = blobs
        self._prefix = f"points/{cluster}/"

    def add(self, point: Point) -> Point:
        """Write a set's point, unless it has one; return the one that counts."""
        try:
            self._blobs.put(self._name(point.set_id), _written(point), again=False)
        except Conflict:
            return self.get(point.set_id) or point
        return point

    def change(self, point: Point) -> None:
        """Write a point anew."""
        self._blobs.put(self._name(point.set_id), _written(point))

    def get(self, set_id: str) -> Point | None:
        """Return a set's point; None when it has none."""
        try:
            return _read(self._name(set_id), self._blobs.get(self._name(set_id)))
        except NotFound:
            return None

    def all(self) -> tuple[Point, ...]:
        """Return the points of every set of the cluster."""
        names = (name.removeprefix(self._prefix).removesuffix(".json") for name in self._blobs.names(self._prefix))
        return tuple(point for point in map(self.get, names) if point is not None)

    def remove(self, set_id: str) -> None:
        """Remove a set's point. Gone is success."""
        self._blobs.remove(self._name(set_id))

    def _name(self, set_id: str) -> str:
        return f"{self._prefix}{set_id}.json"


def _written(point: Point) -> bytes:
    document = {
        "schema": SCHEMA,
        "set": point.set_id,
        "server": point.server,
        "at": moment(point.at),
        "backup": point.backup,
        "note": point.note,
        "words": dict(point.words),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _read(name: str, content: bytes) -> Point:
    try:
        found = json.loads(content)
        at = seconds_of(found["at"])
        if found["schema"] != SCHEMA or at is None:
            raise ValueError(f"schema {found['schema']!r}, at {found['at']!r}")  # noqa: TRY301 (told as every other)
        words = {str(word): str(value) for word, value in found["words"].items()}
        return Point(found["set"], found["server"], at, found["backup"], found["note"], words)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "the container keeps earlier versions: restore one, or remove the blob"
        raise Unexpected(f"{name} is no point of ours: {error}", hint=hint) from error
