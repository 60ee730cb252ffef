"""One look at the estate, for ``bbdc status``."""

from __future__ import annotations

from dataclasses import dataclass

from automation.core.phases import lines
from automation.core.roll import NodeLine
from automation.engine.observe import observe
from automation.ports.world import World


@dataclass(frozen=True, slots=True)
class Status:
    """What an administrator asks first."""

    cluster: str
    state: str
    upgrade_mode: bool
    original_version: str | None
    group: str
    desired: int
    minimum: int
    maximum: int
    model_version: str | None
    suspended: tuple[str, ...]
    nodes: tuple[NodeLine, ...]
    ghosts: tuple[str, ...]
    """Addresses that Bitbucket lists and no machine of the group has."""


def status(world: World, cluster: str) -> Status:
    """Observe once.

    Raises:
        BbdcError: some side could not be read.
    """
    seen = observe(world)
    return Status(
        cluster=cluster,
        state=str(seen.cluster.state),
        upgrade_mode=seen.cluster.upgrade_mode,
        original_version=seen.cluster.original_version,
        group=seen.group.name,
        desired=seen.group.desired,
        minimum=seen.group.minimum,
        maximum=seen.group.maximum,
        model_version=seen.group.version,
        suspended=tuple(sorted(seen.group.suspended)),
        nodes=lines(seen),
        ghosts=tuple(node.address for node in seen.strangers),
    )
