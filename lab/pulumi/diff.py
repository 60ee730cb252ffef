"""What a provider says about old and new inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lab.pulumi.values import PropertyMap


class Changes(Enum):
    """Whether anything differs."""

    UNKNOWN = 0
    NONE = 1
    SOME = 2


KINDS = ("add", "add-replace", "delete", "delete-replace", "update", "update-replace")


@dataclass(frozen=True, slots=True)
class PropertyDiff:
    """One property path's difference; `kind` is one of KINDS."""

    kind: str
    input_diff: bool

    def to_replace(self) -> "PropertyDiff":
        """The same difference, forcing a replacement."""
        return self if self.kind.endswith("-replace") else PropertyDiff(f"{self.kind}-replace", self.input_diff)


@dataclass(frozen=True, slots=True)
class Diff:
    """A provider's answer.

    Attributes:
        changes: whether anything differs.
        changed: top-level keys that differ, when the provider names them.
        replaces: keys that force a replacement; any makes this a replacement.
        detailed: differences by property path, when the provider gives them.
        delete_before_replace: the old must be gone before the new can be made.
    """

    changes: Changes
    changed: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    detailed: Mapping[str, PropertyDiff] = field(default_factory=dict)
    delete_before_replace: bool = False

    @property
    def replace(self) -> bool:
        """Whether the resource must be replaced: a key says so, or a path that `replaceOnChanges` names."""
        return bool(self.replaces) or any(part.kind.endswith("-replace") for part in self.detailed.values())


def changed_keys(old: PropertyMap, new: PropertyMap) -> tuple[str, ...]:
    """Top-level keys whose values differ, sorted."""
    return tuple(sorted(key for key in {*old, *new} if old.get(key) != new.get(key)))


def decide_unknown(diff: Diff, old: PropertyMap, new: PropertyMap) -> Diff:
    """Settle an answer that left open whether anything differs, by comparing the inputs."""
    if diff.changes is not Changes.UNKNOWN:
        return diff
    changes = Changes.SOME if changed_keys(old, new) else Changes.NONE
    return Diff(changes, diff.changed, diff.replaces, diff.detailed, diff.delete_before_replace)
