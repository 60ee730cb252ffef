"""What must be true of a lab after every event, whoever upgrades it; and worlds that are refused from the start.

The checks are pure. `Witness` keeps when each was broken, for ``bbdc lab status`` and reports. They begin once the
estate has stood complete, and rest while nobody wants any node (before the build, during a destroy).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

VERSION = re.compile(r"\d+\.\d+\.\d+")
MOST_NODES = 9
CLOUDS = ("aws", "azure")
MOVING = frozenset({"STARTING", "DRAINING", "TERMINATING", "ERROR"})


class ImpossibleWorld(ValueError):
    """Such an estate cannot exist, so nothing learned from it would be worth anything."""


@dataclass(frozen=True, slots=True)
class SeenNode:
    """One node of the cluster, as the cluster itself has it."""

    id: str
    version: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the whole lab.

    Attributes:
        desired: capacity that the group wants.
        nodes: live nodes of the cluster, not the remembered ones.
        serving: registered and healthy targets in the HTTP target group.
        upgrade_mode: whether rolling-upgrade mode is on.
        original: the version before the upgrade; None outside upgrade mode.
        split: whether nodes run beside each other on one database without knowing it.
    """

    desired: int
    nodes: Sequence[SeenNode]
    serving: int
    upgrade_mode: bool
    original: str | None = None
    split: bool = False


def _floor(seen: Seen, planned: int) -> str:
    floor = max(1, min(planned, seen.desired) - 1)
    return "" if seen.serving >= floor else f"{seen.serving} nodes serve, {floor} are needed"


def _one_moves(seen: Seen, _planned: int) -> str:
    moving = [f"{node.id} {node.state}" for node in seen.nodes if node.state in MOVING]
    return "" if len(moving) <= 1 else f"several nodes move at once: {', '.join(moving)}"


def _versions(seen: Seen, _planned: int) -> str:
    versions = sorted({node.version for node in seen.nodes if node.version and node.state == "ACTIVE"}, key=_numbers)
    if len({_numbers(version)[:2] for version in versions}) > 1:
        return f"nodes of different minor versions run together: {', '.join(versions)}"
    if len(versions) > 1 and not seen.upgrade_mode:
        return f"nodes of different versions run together outside upgrade mode: {', '.join(versions)}"
    return ""


def _whole(seen: Seen, _planned: int) -> str:
    return "the cluster is split: nodes run on one database without knowing each other" if seen.split else ""


CHECKS: Mapping[str, Callable[[Seen, int], str]] = {
    "serving_floor": _floor,
    "one_node_moves": _one_moves,
    "legal_versions": _versions,
    "one_cluster": _whole,
}


def check(seen: Seen, planned: int) -> dict[str, str]:
    """Return what is broken: name of the invariant -> what was seen."""
    if seen.desired == 0:
        return {}
    return {name: found for name, rule in CHECKS.items() if (found := rule(seen, planned))}


@dataclass(slots=True)
class Breach:
    """One time that an invariant did not hold."""

    name: str
    text: str
    since: float
    until: float | None = None
    faults: tuple[str, ...] = ()
    """Faults that were switched on at the time."""


@dataclass(slots=True)
class Witness:
    """Keeps every breach, with its beginning and its end.

    Attributes:
        planned: nodes that the lab was built with.
        checks: how many looks were taken.
        complete: whether the estate has stood complete once; checks begin then.
    """

    planned: int
    checks: int = 0
    complete: bool = False
    breaches: list[Breach] = field(default_factory=list)

    def look(self, seen: Seen, at: float, faults: Sequence[str] = ()) -> list[Breach]:
        """Check; return the breaches that began now."""
        if not self.complete:
            self.complete = seen.serving >= self.planned and not any(node.state in MOVING for node in seen.nodes)
            return []
        self.checks += 1
        found = check(seen, self.planned)
        opened = {breach.name: breach for breach in self.breaches if breach.until is None}
        for name in opened.keys() - found.keys():
            opened[name].until = at
        new = [Breach(name, text, at, faults=tuple(faults)) for name, text in found.items() if name not in opened]
        self.breaches.extend(new)
        return new


def refuse(*, nodes: int, version: str, cloud: str, tempo: float) -> None:
    """Raise ImpossibleWorld for an estate that cannot exist or that this lab cannot hold."""
    if not 1 <= nodes <= MOST_NODES:
        raise ImpossibleWorld(f"a lab holds 1 to {MOST_NODES} nodes, not {nodes}")
    if not VERSION.fullmatch(version):
        raise ImpossibleWorld(f"{version!r} is not a Bitbucket version such as 7.9.0")
    if cloud not in CLOUDS:
        raise ImpossibleWorld(f"there is no lab of the cloud {cloud!r}; there are: {', '.join(CLOUDS)}")
    if tempo <= 0:
        raise ImpossibleWorld(f"tempo must be above 0, not {tempo}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
