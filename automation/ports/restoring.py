"""Everything outside that a restore or a drill needs, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automation.core.capabilities import AWS, Capabilities
from automation.core.restores.memory import Memory
from automation.ports.bitbucket import Nodes
from automation.ports.clock import Clock
from automation.ports.cloud import Balancer, Group
from automation.ports.program import Program
from automation.ports.shell import Shell
from automation.ports.vaults import Manifests


class RestoreJournal(Protocol):
    """The journal of restores; one entry is one restore."""

    def write(self, memory: Memory) -> None:
        """Store the newest memory durably."""
        ...

    def newest(self, cluster: str) -> Memory | None:
        """Return the newest restore of a cluster, over or not; None when there never was one."""
        ...


@dataclass(frozen=True, slots=True)
class Restoring:
    """One estate's ports for restores."""

    clock: Clock
    nodes: Nodes
    group: Group
    balancer: Balancer
    program: Program
    shell: Shell
    manifests: Manifests
    journal: RestoreJournal
    launch: frozenset[str] = frozenset()
    """The group's processes that make machines, in the cloud's words: switched off while the data is swapped."""
    home: str = "/srv/bitbucket-dc/shared"
    """Shared home on the file server."""
    service: str = "bitbucket"
    """systemd unit of Bitbucket on the nodes."""
    capabilities: Capabilities = AWS
    """What the cloud does by itself."""
