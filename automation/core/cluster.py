"""One immutable observation of the estate, in Bitbucket's and the clouds' own words.

Shapes follow ``/rest/zdu`` (Atlassian's REST reference), auto-scaling groups / scale sets, and target groups /
backend pools. An unknown word from a server becomes ``UNKNOWN``: not ready, never a crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Self

from automation.core.capabilities import AWS, Capabilities


class _Word(StrEnum):
    @classmethod
    def of(cls, text: object) -> Self:
        """Return the member spelled ``text``, or ``UNKNOWN`` for anything else."""
        try:
            return cls(str(text))
        except ValueError:
            return cls("UNKNOWN")


class NodeState(_Word):
    """State of a node in ``/rest/zdu/cluster``; SILENT is a live node that did not answer in time (null)."""

    STARTING = "STARTING"
    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    TERMINATING = "TERMINATING"
    OFFLINE = "OFFLINE"
    ERROR = "ERROR"
    SILENT = "SILENT"
    UNKNOWN = "UNKNOWN"


class ClusterState(_Word):
    """State of the cluster in ``/rest/zdu/cluster``; computed by Bitbucket at each call."""

    STABLE = "STABLE"
    READY_TO_UPGRADE = "READY_TO_UPGRADE"
    MIXED = "MIXED"
    READY_TO_RUN_UPGRADE_TASKS = "READY_TO_RUN_UPGRADE_TASKS"
    RUNNING_UPGRADE_TASKS = "RUNNING_UPGRADE_TASKS"
    UPGRADE_TASKS_FAILED = "UPGRADE_TASKS_FAILED"
    UNKNOWN = "UNKNOWN"


class TargetState(_Word):
    """State of an instance in one target group (or backend pool)."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    UNUSED = "unused"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "UNKNOWN"


class InstanceState(_Word):
    """Where an instance stands in its node group's life: being made, in service, on its way out."""

    PENDING = "pending"
    IN_SERVICE = "in_service"
    TERMINATING = "terminating"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as ``/rest/zdu/cluster`` lists it."""

    id: str
    address: str
    """IP address; with ``port`` the key by which Bitbucket merges remembered and present nodes."""
    state: NodeState
    version: str | None = None
    port: int | None = None
    name: str | None = None
    tasks: int | None = None
    """Running tasks; None where this version of Bitbucket does not say."""
    users: int | None = None
    """Active users; None where this version of Bitbucket does not say."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The answer of ``GET /rest/zdu/cluster``."""

    state: ClusterState
    upgrade_mode: bool
    nodes: tuple[Node, ...]
    original_version: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A machine of the node group."""

    id: str
    address: str | None
    """Private IP address; None while the cloud has not assigned one."""
    state: InstanceState
    version: str | None
    """Bitbucket version that the model this machine was made from carries; None when it says none."""
    zone: str | None = None
    launched: float | None = None
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """The auto-scaling group or scale set that holds the nodes."""

    name: str
    desired: int
    minimum: int
    maximum: int
    version: str | None
    """Bitbucket version that the group's current model carries: what the next new machine gets."""
    instances: tuple[Instance, ...]
    suspended: frozenset[str] = frozenset()
    """Scaling processes that are switched off, in the cloud's words."""


@dataclass(frozen=True, slots=True)
class Target:
    """One instance's registration in one target group."""

    instance: str
    group: str
    """Short name of the target group, such as ``http`` or ``ssh``."""
    state: TargetState
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OwnView:
    """What a node says of itself when asked directly: ``/status`` and its own ``admin/cluster``."""

    status: str | None
    """``state`` of ``/status``; None when the node does not answer."""
    members: frozenset[str] | None
    """Addresses of all members that this node sees, itself included; None when it does not say."""


@dataclass(frozen=True)
class Observation:
    """Everything that one pass of the engine looks at, read once."""

    at: float
    """Seconds since the epoch, from the clock port."""
    cluster: Cluster
    group: NodeGroup
    targets: tuple[Target, ...]
    target_groups: tuple[str, ...] = ("http",)
    """Names of all target groups an instance must be healthy in to count as serving."""
    views: Mapping[str, OwnView] = field(default_factory=dict)
    """Own view by instance id; only of instances that are not (yet) proven members."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU utilisation in percent by instance id, where known."""
    capabilities: Capabilities = AWS
    """What the cloud does by itself."""

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Each instance of the group together with its node and its registrations."""
        nodes = {node.address: node for node in self.cluster.nodes}
        return tuple(
            Member(
                instance=instance,
                node=nodes.get(instance.address) if instance.address else None,
                targets=tuple(t for t in self.targets if t.instance == instance.id),
                target_groups=self.target_groups,
                view=self.views.get(instance.id),
                cpu=self.cpu.get(instance.id),
            )
            for instance in self.group.instances
        )

    @cached_property
    def strangers(self) -> tuple[Node, ...]:
        """Nodes that Bitbucket lists and the group does not hold: ghosts when OFFLINE, trouble otherwise."""
        held = {instance.address for instance in self.group.instances}
        return tuple(node for node in self.cluster.nodes if node.address not in held)


@dataclass(frozen=True, slots=True)
class Member:
    """One machine seen from all sides: cloud, Bitbucket, load balancer, and its own."""

    instance: Instance
    node: Node | None
    targets: tuple[Target, ...]
    target_groups: tuple[str, ...]
    view: OwnView | None = None
    cpu: float | None = None

    @property
    def id(self) -> str:
        """The instance's id: the identity that every act on this member carries."""
        return self.instance.id

    @property
    def state(self) -> NodeState | None:
        """The node's state, None when Bitbucket does not list it."""
        return self.node.state if self.node else None

    @property
    def version(self) -> str | None:
        """The running version where Bitbucket tells, else the version of the machine's model."""
        if self.node and self.node.version:
            return self.node.version
        return self.instance.version

    @property
    def is_leaving(self) -> bool:
        """True once the cloud has begun to take the machine away."""
        return self.instance.state is InstanceState.TERMINATING

    @property
    def is_active(self) -> bool:
        """True when Bitbucket lists the node as ACTIVE."""
        return self.state is NodeState.ACTIVE

    @property
    def is_down(self) -> bool:
        """True when no Bitbucket runs there: the cluster, the balancer and the node itself agree.

        The cluster's word alone is not enough: a node that runs alone answers for "the cluster" too, and lists nobody.
        """
        answers = self.view is not None and self.view.status is not None
        return self.state in (None, NodeState.OFFLINE) and not self.is_healthy and not answers

    @property
    def is_in_balancer(self) -> bool:
        """True while some target group sends, or may again send, new requests there."""
        out = {TargetState.DRAINING, TargetState.UNUSED}
        return any(target.state not in out for target in self.targets)

    @property
    def is_missing(self) -> bool:
        """True while some target group does not know the machine, or knows it only as one that was taken out."""
        out = {TargetState.DRAINING, TargetState.UNUSED}
        known = {target.group for target in self.targets if target.state not in out}
        return not known >= set(self.target_groups)

    @property
    def is_draining(self) -> bool:
        """True while some target group still lets open requests or sessions finish."""
        return any(target.state is TargetState.DRAINING for target in self.targets)

    @property
    def is_healthy(self) -> bool:
        """True when every target group says healthy."""
        healthy = {t.group for t in self.targets if t.state is TargetState.HEALTHY}
        return healthy >= set(self.target_groups)

    @property
    def is_serving(self) -> bool:
        """True when users are being served: ACTIVE, and healthy in every target group."""
        return self.is_active and self.is_healthy and not self.is_leaving
