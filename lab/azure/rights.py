"""What a role allows: management and data apart, as Azure has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

DATA = (
    "microsoft.storage/storageaccounts/*/blobs/*",
    "microsoft.keyvault/vaults/secrets/*/action",
    "microsoft.keyvault/vaults/secrets/delete",
    "microsoft.keyvault/vaults/keys/*/action",
    "microsoft.insights/metrics/write",
)
"""Actions on data: no role has them by a ``*`` among its actions, not even the owner's."""


@dataclass(frozen=True, slots=True)
class Rights:
    """One entry of a role's permissions."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[str], without: Iterable[str] = ()) -> Self:
        """Sort patterns into management and data."""
        known = tuple(patterns)
        data = tuple(one for one in known if is_data(one))
        return cls(tuple(one for one in known if one not in data), tuple(without), data)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Self:
        """Take an entry as a role definition has it."""
        names = ("actions", "notActions", "dataActions", "notDataActions")
        return cls(*(tuple(str(one) for one in entry.get(name) or ()) for name in names))

    def allow(self, action: str) -> bool:
        """Tell whether an action is allowed."""
        if is_data(action):
            return matches(action, self.data_actions) and not matches(action, self.not_data_actions)
        return matches(action, self.actions) and not matches(action, self.not_actions)

    def wire(self) -> dict[str, Any]:
        """Return it as Azure shows it."""
        return {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": list(self.not_data_actions),
        }


def is_data(action: str) -> bool:
    """Tell whether an action, or all that a pattern allows, is about data."""
    return matches(action, DATA)


def matches(action: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns has an action; letters' case means nothing."""
    return any(fnmatchcase(action.lower(), one.lower()) for one in patterns)
