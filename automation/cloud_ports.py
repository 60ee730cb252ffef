"""What one cloud brings into a world, a safe, and restores; ``automation.bootstrap`` puts them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automation.adapters.secrets import Reader
from automation.core.capabilities import AWS, Capabilities
from automation.ports.cloud import Archive, Backups, Balancer, Group, Host, Metrics
from automation.ports.drills import Drills
from automation.ports.errors import Refused
from automation.ports.maintenance import NodeLogs
from automation.ports.safe import AtOnce, Timing
from automation.ports.shell import Shell
from automation.ports.vaults import Manifests, Vault


@dataclass(frozen=True, slots=True)
class CloudPorts:
    """What one cloud brings into a world."""

    group: Group
    balancer: Balancer
    host: Host
    metrics: Metrics
    archive: Archive
    backups: Backups
    stores: Mapping[str, Reader]
    """Secret stores by the scheme of their references."""
    capabilities: Capabilities = AWS
    """What the cloud does by itself."""


@dataclass(frozen=True, slots=True)
class SafePorts:
    """What one cloud brings into a safe."""

    group: Group
    logs: NodeLogs
    disks: Vault
    database: Vault
    manifests: Manifests
    search: Vault | None = None
    timing: Timing = field(default_factory=AtOnce)


@dataclass(frozen=True, slots=True)
class RestorePorts:
    """What one cloud brings into restores and drills."""

    shell: Shell
    drills: Drills
    launch: frozenset[str]
    """The group's processes that make machines."""


def missing_sdk(cloud: str, extra: str, error: ModuleNotFoundError) -> Refused:
    """Return the refusal to work with a cloud whose SDK is not installed."""
    message = f"the adapters for {cloud} need a package that is not installed: {error.name}"
    return Refused("missing_extra", message, hint=f"pip install 'bitbucket-dc[{extra}]'")
