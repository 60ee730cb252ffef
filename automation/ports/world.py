"""Everything outside, in one value: what an engine needs to see and to change an estate."""

from __future__ import annotations

from dataclasses import dataclass

from automation.core.capabilities import AWS, Capabilities
from automation.ports.bitbucket import Bitbucket, Nodes
from automation.ports.clock import Clock
from automation.ports.cloud import Archive, Backups, Balancer, Group, Host, Metrics


@dataclass(frozen=True, slots=True)
class World:
    """One estate's ports, chosen once: by ``automation.bootstrap`` for a cloud, by the lab for virtual time."""

    clock: Clock
    bitbucket: Bitbucket
    nodes: Nodes
    group: Group
    balancer: Balancer
    host: Host
    metrics: Metrics
    archive: Archive
    backups: Backups
    capabilities: Capabilities = AWS
    """What the cloud does by itself."""
