"""Resources whose children may be written inside their own document, as subnets in a virtual network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lab.azure import errors
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json, Request
from lab.azure.operations import Steps
from lab.azure.paths import parse
from lab.azure.resources import Resource

NETWORK_VERSIONS = ("2015-05-01", "2026-03-01")
BUSY = "AnotherOperationInProgress"


@dataclass(slots=True)
class Parent(Kind):
    """A resource with children in its document; each is a resource of its own too."""

    versions: ClassVar[tuple[str, str]] = NETWORK_VERSIONS
    located: ClassVar[bool] = True
    tagged_body: ClassVar[bool] = True
    busy: ClassVar[str] = BUSY
    inline: ClassVar[str] = ""
    """The property with the children; also the last part of their type."""

    @property
    def child(self) -> Kind:
        """The kind of the children."""
        return self.world.kind(f"{self.name}/{self.inline}")

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - the document says it all
        """Make the children that the document names, and drop the others; without the property they stay."""
        wanted = resource.properties.pop(self.inline, None)
        for line in wanted or []:
            yield from self._write(resource, line)
        names = {str(line["name"]).lower() for line in wanted or []}
        for old in self.children(resource) if wanted is not None else []:
            if old.name.lower() not in names:
                self.child.check_removal(old)
                yield from self.child.remove(old)
                self.world.resources.remove(old)
        yield self.world.after(self.world.timings.network)
        return None

    def remove(self, resource: Resource) -> Steps:
        """Take the children along."""
        for old in self.children(resource):
            yield from self.child.remove(old)
        return None

    def check_removal(self, resource: Resource) -> None:
        """Refuse while a child is in use."""
        for old in self.children(resource):
            self.child.check_removal(old)

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:
        """Return the resource with its children."""
        found = Kind.show(self, resource, query)
        found["properties"][self.inline] = [self.child.show(one, {}) for one in self.children(resource)]
        return found

    def children(self, resource: Resource) -> list[Resource]:
        """Return the children that there are."""
        return self.world.resources.below(f"{resource.id}/{self.inline}")

    def _write(self, resource: Resource, line: Json) -> Steps:
        target = parse(f"{resource.id}/{self.inline}/{line['name']}")
        child = self.world.resources.find(target.path) or Resource(target, {})
        child.document = {"properties": dict(line.get("properties") or {})}
        child.touch()
        self.world.resources.put(child)
        request = Request("PUT", child.id, child.id, {}, {}, b"", "")
        yield from self.child.apply(child, Change(target, child, line, request))
        return None


def name_children(target: str, properties: Json, lists: tuple[str, ...]) -> None:
    """Give the parts of a document their ids.

    Raises:
        ArmError: two parts have the same name, or one has none.
    """
    for part in lists:
        seen: set[str] = set()
        for line in properties.get(part) or []:
            name = str(line.get("name", ""))
            if not name or name.lower() in seen:
                raise errors.invalid(f"The {part} of {target} need names of their own.", "InvalidRequestFormat")
            seen.add(name.lower())
            line["id"] = f"{target}/{part}/{name}"
            line.setdefault("properties", {})["provisioningState"] = "Succeeded"
