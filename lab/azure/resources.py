"""The store of resources: JSON documents under their ids, each with an ETag."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.azure import errors, paths
from lab.azure.messages import Json

STATE = "provisioningState"


def new_etag() -> str:
    """Return an ETag that was never used."""
    return f'W/"{uuid.uuid4()}"'


@dataclass(slots=True, eq=False)
class Resource:
    """One resource.

    Attributes:
        target: where it stands.
        document: what clients see, save for what its kind hides or adds.
        own: what only its kind knows.
        etag: changes with every change.
    """

    target: paths.Target
    document: Json
    own: Any = None
    etag: str = field(default_factory=new_etag)

    @property
    def id(self) -> str:
        """Its id, as its first creator wrote it."""
        return self.target.path

    @property
    def name(self) -> str:
        """Its last name."""
        return self.target.names[-1]

    @property
    def location(self) -> str:
        """Its region; empty for one that has none."""
        return str(self.document.get("location", ""))

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return {str(key): str(value) for key, value in (self.document.get("tags") or {}).items()}

    @property
    def properties(self) -> Json:
        """The bag of properties, to read and to change."""
        found: Json = self.document.setdefault("properties", {})
        return found

    @properties.setter
    def properties(self, value: Json) -> None:
        self.document["properties"] = value

    @property
    def state(self) -> str:
        """Its provisioning state."""
        return str(self.properties.get(STATE, "Succeeded"))

    @state.setter
    def state(self, value: str) -> None:
        self.properties[STATE] = value
        self.touch()

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self.state in {"Creating", "Updating", "Deleting"}

    def touch(self) -> None:
        """Give it a new ETag."""
        self.etag = new_etag()


@dataclass(slots=True)
class Resources:
    """Every resource of the world."""

    _known: dict[str, Resource] = field(default_factory=dict)

    def find(self, identity: str) -> Resource | None:
        """Return the resource with an id, or None."""
        return self._known.get(paths.key(identity))

    def get(self, identity: str) -> Resource:
        """Return the resource with an id.

        Raises:
            ArmError: there is none.
        """
        found = self.find(identity)
        if found is None:
            target = paths.parse(identity)
            raise errors.not_found(target.what(), target.group)
        return found

    def put(self, resource: Resource) -> None:
        """Keep a resource."""
        self._known[paths.key(resource.id)] = resource

    def remove(self, resource: Resource) -> None:
        """Forget a resource and everything below it."""
        gone = paths.key(resource.id)
        for one in [key for key in self._known if key == gone or key.startswith(gone + "/")]:
            del self._known[one]

    def below(self, collection: str) -> list[Resource]:
        """Return the direct members of a collection, by its path."""
        start = paths.key(collection) + "/"
        return [one for key, one in self._known.items() if key.startswith(start) and "/" not in key[len(start) :]]

    def under(self, scope: str) -> list[Resource]:
        """Return everything below a scope, the innermost first."""
        start = paths.key(scope) + "/"
        return [self._known[key] for key in sorted(self._known, key=len, reverse=True) if key.startswith(start)]

    def of(self, kind: str, subscription: str = "") -> Iterator[Resource]:
        """Yield all resources of a type."""
        for one in list(self._known.values()):
            same = one.target.kind.lower() == kind.lower()
            if same and subscription.lower() in {"", one.target.subscription.lower()}:
                yield one


def merged(base: Json, change: Json) -> Json:
    """Return a document with a change laid over it: objects are merged, everything else is replaced."""
    found = copy.deepcopy(base)
    for key, value in change.items():
        inner = found.get(key)
        if isinstance(value, dict) and isinstance(inner, dict) and key != "tags":
            found[key] = merged(inner, value)
        else:
            found[key] = copy.deepcopy(value)
    return found
