"""What a type of resource does; the plain kind keeps any JSON under any type.

A kind refuses in ``accept`` before anything has changed, and works in ``apply`` and ``remove``: generators whose
steps are the operation that clients poll.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from lab.azure import errors
from lab.azure.messages import Json, Request
from lab.azure.operations import Steps
from lab.azure.paths import Target
from lab.azure.resources import STATE, Resource, merged

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld


@dataclass(frozen=True, slots=True)
class Statuses:
    """First statuses that the SDKs insist on."""

    create: int = 201
    update: int = 200
    patch: int = 200
    delete: int = 202


@dataclass(frozen=True, slots=True)
class Change:
    """A PUT or PATCH.

    Attributes:
        target: what it is meant for.
        old: the resource that is there; None when it makes one.
        body: as sent.
        patch: whether it is a PATCH.
    """

    target: Target
    old: Resource | None
    body: Json
    request: Request
    patch: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """A POST on a resource."""

    resource: Resource
    action: str
    body: Json
    request: Request


@dataclass(slots=True)
class Kind:
    """The plain kind: JSON in, the same JSON out, Succeeded at once.

    Attributes:
        world: where it is.
        name: the type with its namespace.
    """

    world: AzureWorld
    name: str
    statuses: Statuses = field(default_factory=Statuses)

    versions: ClassVar[tuple[str, str]] = ("2014-01-01", "9999-12-31")
    """First and last api-version served."""
    located: ClassVar[bool] = False
    """Whether a location is required."""
    tagged_body: ClassVar[bool] = False
    """Whether the ETag stands in the body too."""
    synchronous: ClassVar[bool] = True
    """Whether a PUT has happened once it is answered."""
    busy: ClassVar[str] = "Conflict"
    """Code with which a change is refused while another one is under way."""
    supersedes: ClassVar[bool] = False
    """Whether a PUT cancels the one that is under way."""
    hidden: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Paths in the document that are never shown, and kept when a PUT leaves them out."""

    # --- refusals and content ------------------------------------------------------------------------------------

    def check_idle(self, resource: Resource) -> None:
        """Refuse while an operation on the resource is under way."""
        if resource.busy and self.busy == "Conflict":
            raise errors.busy()
        if resource.busy:
            message = "Another operation on this or dependent resource is in progress."
            raise errors.conflict(message, self.busy)

    def accept(self, change: Change) -> Json:
        """Return the document that a change leads to.

        Raises:
            ArmError: the change is refused; nothing has happened.
        """
        old = change.old
        if change.patch and old is not None:
            return merged(old.document, change.body)
        document = copy.deepcopy(change.body)
        if old is not None:
            for path in self.hidden:
                _keep(document, old.document, path)
        return document

    def apply(self, resource: Resource, change: Change) -> Steps:  # noqa: ARG002 - for kinds that do something
        """Do what a change means; the document has been replaced already."""
        yield from ()
        return None

    def failed(self, resource: Resource) -> None:
        """Hear that the change of a resource failed."""
        resource.state = "Failed"

    def check_removal(self, resource: Resource) -> None:
        """Refuse to delete a resource.

        Raises:
            ArmError: it is in use.
        """

    def remove(self, resource: Resource) -> Steps:  # noqa: ARG002 - for kinds that do something
        """Take a resource away; it is forgotten when this has ended."""
        yield from ()
        return None

    # --- reading and acting --------------------------------------------------------------------------------------

    def show(self, resource: Resource, query: Mapping[str, str]) -> Json:  # noqa: ARG002 - some kinds expand
        """Return a resource as clients see it."""
        document = copy.deepcopy(resource.document)
        for path in self.hidden:
            _drop(document, path)
        target = resource.target
        document |= {"id": resource.id, "name": resource.name, "type": target.kind}
        document.setdefault("properties", {}).setdefault(STATE, "Succeeded")
        return document | ({"etag": resource.etag} if self.tagged_body else {})

    def read(self, resource: Resource, view: str, request: Request) -> Json | None:  # noqa: ARG002 - the plain kind has no views
        """Return a view of a resource, such as instanceView; None when it is an ordinary collection."""
        return None

    def listing(self, target: Target, request: Request) -> Json | None:  # noqa: ARG002 - for kinds that only tell
        """Return what stands in the place of a collection; None for an ordinary one."""
        return None

    def ask(self, target: Target, request: Request) -> Json | None:  # noqa: ARG002 - for kinds that are asked
        """Return what a POST that concerns no resource is answered with; None for any other."""
        return None

    def act(self, act: Act) -> Steps:
        """Begin an action; nothing has happened when this raises.

        Raises:
            ArmError: the kind has no such action, or refuses it.
        """
        raise errors.no_action(self.name, act.action)

    def answer(self, act: Act) -> Json | None:  # noqa: ARG002 - the plain kind answers nothing at once
        """Return what an action answers at once; None for one that takes time."""
        return None


@dataclass(slots=True)
class Deferred(Kind):
    """Plain JSON whose changes are operations to be polled, as their SDK clients insist."""

    synchronous: ClassVar[bool] = False


def _keep(document: Json, old: Json, path: tuple[str, ...]) -> None:
    """Carry a hidden value over, where the place for it is there and empty."""
    for name in path[:-1]:
        inner, before = document.get(name), old.get(name)
        if not isinstance(inner, dict) or not isinstance(before, dict):
            return
        document, old = inner, before
    if document.get(path[-1]) is None and path[-1] in old:
        document[path[-1]] = old[path[-1]]


def _drop(document: Json, path: tuple[str, ...]) -> None:
    for name in path[:-1]:
        inner = document.get(name)
        if not isinstance(inner, dict):
            return
        document = inner
    document.pop(path[-1], None)
