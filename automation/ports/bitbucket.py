"""Bitbucket as the engine needs it: the rolling-upgrade API, and what preflight asks.

Sources: Atlassian's REST reference and *Upgrade a Bitbucket cluster through the API without downtime*.
Every method may raise Unavailable, Unreachable, NotAuthenticated, Forbidden or Unexpected (ports.errors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from automation.core.cluster import Cluster, OwnView


@dataclass(frozen=True, slots=True)
class Application:
    """``/rest/api/latest/application-properties``."""

    version: str
    build: str


@dataclass(frozen=True, slots=True)
class Licence:
    """``/rest/api/latest/admin/license``."""

    expires: float | None
    """Seconds since the epoch; None for a licence without end."""
    users: int | None
    """Users allowed; None for no limit."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One line of ``/rest/troubleshooting/1.0/check/``."""

    name: str
    healthy: bool
    severity: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MeshNode:
    """One line of ``/rest/api/latest/admin/git/mesh/nodes``."""

    name: str
    state: str
    offline: bool


class Bitbucket(Protocol):
    """The cluster, asked through its load balancer."""

    def cluster(self) -> Cluster:
        """GET /rest/zdu/cluster."""
        ...

    def start_upgrade(self) -> None:
        """POST /rest/zdu/start: upgrade mode on. Raises Conflict unless the cluster is STABLE."""
        ...

    def cancel_upgrade(self) -> None:
        """POST /rest/zdu/cancel: upgrade mode off. Raises Conflict unless READY_TO_UPGRADE."""
        ...

    def approve_upgrade(self) -> None:
        """POST /rest/zdu/approve: finalize. Raises Conflict unless READY_TO_RUN_UPGRADE_TASKS."""
        ...

    def application(self) -> Application:
        """Version and build of whichever node answers."""
        ...

    def status(self) -> str | None:
        """``state`` of /status through the balancer: RUNNING, MAINTENANCE, FIRST_RUN, ...; None when unanswered."""
        ...

    def licence(self) -> Licence:
        """The licence in force. Raises NotFound when there is none."""
        ...

    def health_checks(self) -> tuple[HealthCheck, ...]:
        """Support Tools' health checks; empty where the app is not installed."""
        ...

    def incompatible_apps(self, target: str) -> tuple[str, ...] | None:
        """Names of enabled apps known not to run on ``target``; None where Bitbucket cannot tell."""
        ...

    def mesh_nodes(self) -> tuple[MeshNode, ...]:
        """Mesh nodes; empty where Mesh is not used or not known to this version."""
        ...

    def inconsistent_replicas(self) -> int:
        """Count repositories whose Mesh replicas differ; 0 where Mesh is not used or this version cannot tell."""
        ...

    def repositories(self) -> int:
        """Count the repositories that this user sees: a system administrator sees all."""
        ...


class Nodes(Protocol):
    """Single nodes, asked directly at their own address."""

    def view(self, address: str) -> OwnView:
        """Return what the node says of itself; a node that does not answer is OwnView(None, None), not an error.

        Raises NotAuthenticated or Forbidden when the node answers and refuses the credentials.
        """
        ...
