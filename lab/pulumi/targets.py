"""--target, --exclude, --replace: which resources an operation may touch."""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

from lab.pulumi.state import State


def _matches(urn: str, patterns: tuple[str, ...]) -> bool:
    return any(urn == pattern or ("*" in pattern and fnmatch.fnmatchcase(urn, pattern)) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Targets:
    """URNs or patterns with `*`; none given means everything.

    Attributes:
        only: resources to touch.
        excluded: resources to leave alone.
        replace: resources to replace, changed or not.
        dependents: also touch what depends on the targets.
    """

    only: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    dependents: bool = False

    @property
    def limited(self) -> bool:
        """Whether some resources are left alone."""
        return bool(self.only or self.excluded)

    def __contains__(self, urn: object) -> bool:
        """Whether a resource may be touched."""
        text = str(urn)
        return not _matches(text, self.excluded) and (not self.only or _matches(text, (*self.only, *self.replace)))

    def must_replace(self, urn: str) -> bool:
        """Whether a resource is to be replaced regardless."""
        return _matches(urn, self.replace)

    def widened(self, states: Iterable[State]) -> "Targets":
        """With the dependents of every target, if they were asked for.

        Args:
            states: in dependency order.
        """
        if not (self.only and self.dependents):
            return self
        chosen: dict[str, None] = {}
        for state in states:
            if state.urn in self or any(urn in chosen for urn in state.referenced()):
                chosen[state.urn] = None
        return Targets((*self.only, *chosen), self.excluded, self.replace, self.dependents)
