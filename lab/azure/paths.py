"""Paths of Azure Resource Manager, taken apart into subscription, group, namespace, types and names."""

from __future__ import annotations

from dataclasses import dataclass

from lab.azure import errors


@dataclass(frozen=True, slots=True)
class Target:
    """What a path means.

    Attributes:
        path: as called, without a slash at its end.
        subscription, group: empty where the path names none.
        scope: everything before the last ``/providers/``: the group, or the resource that this one extends.
        provider: the namespace, such as Microsoft.Compute; empty for subscriptions and groups themselves.
        types, names: the segments after it in turn; one type more than names for a collection, view or action.
    """

    path: str
    subscription: str = ""
    group: str = ""
    scope: str = ""
    provider: str = ""
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The resource type with its namespace."""
        return "/".join((self.provider, *self.types))

    @property
    def is_resource(self) -> bool:
        """Whether it is a resource, not a collection, a view or an action."""
        return bool(self.types) and len(self.types) == len(self.names)

    @property
    def extends(self) -> bool:
        """Whether it belongs to another resource's scope."""
        return self.scope.lower().count("/providers/") > 0

    def up(self) -> Target:
        """Return the resource whose collection, view or action this is."""
        above = self.path.rsplit("/", 1)[0]
        return Target(above, self.subscription, self.group, self.scope, self.provider, self.types[:-1], self.names)

    def owner(self) -> str:
        """Return the id of the resource above a child; empty for one that stands alone."""
        return "" if len(self.names) < 2 else self.path.rsplit("/", 2)[0]

    def what(self) -> str:
        """Return type and names as error messages show them."""
        pairs = [f"{kind}/{name}" for kind, name in zip(self.types, self.names, strict=False)]
        return "/".join([self.provider, *pairs, *self.types[len(self.names) :]])


def parse(path: str) -> Target:
    """Take a path apart.

    Raises:
        ArmError: this is no path of Azure Resource Manager.
    """
    path = path.rstrip("/")
    parts = [part for part in path.split("/") if part]
    low = [part.lower() for part in parts]
    if not parts or low[0] != "subscriptions":
        raise errors.ArmError(404, "NotFound", f"There is nothing at {path}.")
    subscription = parts[1] if len(parts) > 1 else ""
    group = parts[3] if len(parts) > 3 and low[2] == "resourcegroups" else ""
    if "providers" not in low:
        return Target(path, subscription, group, path)
    at = len(low) - 1 - low[::-1].index("providers")
    rest = parts[at + 2 :]
    return Target(
        path=path,
        subscription=subscription,
        group=group,
        scope="/" + "/".join(parts[:at]),
        provider=parts[at + 1] if len(parts) > at + 1 else "",
        types=tuple(rest[0::2]),
        names=tuple(rest[1::2]),
    )


def name_of(identity: str) -> str:
    """Return the last name in an id."""
    return identity.rstrip("/").rsplit("/", 1)[-1]


def key(identity: str) -> str:
    """Return an id as it is compared: Azure's ids do not care for case."""
    return identity.rstrip("/").lower()
