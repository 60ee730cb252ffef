"""Target groups: who is registered, and in which health, as the balancer reports it.

States, reasons and texts are AWS's: ``initial``, ``healthy``, ``unhealthy``, ``draining``, ``unused``.
Repairs in moto: targets were healthy at once and for ever; draining did not exist; terminated instances stayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

DELAY = "deregistration_delay.timeout_seconds"
REGISTERING = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
DRAINING = ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
NOT_REGISTERED = ("unused", "Target.NotRegistered", "Target is not registered to the target group")
NOT_IN_USE = ("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
STOPPED = ("unused", "Target.InvalidState", "Target is in the stopped state")
HEALTHY = ("healthy", None, None)

Health = tuple[str, str | None, str | None]


@dataclass(slots=True)
class Target:
    """One registration.

    Attributes:
        id: instance id (or address, or load balancer ARN, as the group's target type has it).
        port: traffic port.
        since: when it was registered, or deregistered when it drains.
        until: when draining is over; None while it is registered.
        healthy: the last report; None when there is none yet.
        seen: whether the balancer has begun to check it.
        reason: AWS's reason code for an unhealthy target, or the balancer's words; ``description`` likewise.
        open: requests and connections in flight, as last reported.
    """

    id: str
    port: int
    since: float
    until: float | None = None
    healthy: bool | None = None
    seen: bool = False
    reason: str = ""
    description: str = ""
    open: int = 0

    @property
    def draining(self) -> bool:
        """Whether it has been deregistered."""
        return self.until is not None


@dataclass(slots=True)
class Targets:
    """All registrations.

    Attributes:
        world: the world they live in.
        probe: asked for health where no balancer reports it; None otherwise.
        groups: target group ARN -> target id -> registration.
        version: grows with every change of the routing table.
    """

    world: AwsWorld
    probe: Callable[[str, str], bool | None] | None = None
    groups: dict[str, dict[str, Target]] = field(default_factory=dict)
    version: int = 1

    def registered(self, arn: str, identity: str) -> bool:
        """Say whether the target takes new requests."""
        target = self.groups.get(arn, {}).get(identity)
        return target is not None and not target.draining

    def of(self, identity: str) -> Iterator[tuple[str, Target]]:
        """Yield (group ARN, registration) of one target, draining ones included."""
        for arn, targets in self.groups.items():
            if identity in targets:
                yield arn, targets[identity]

    def register(self, arn: str, identity: str, port: int) -> None:
        """Take a target in; one that drains begins anew, one that is registered stays as it is."""
        if self.registered(arn, identity):
            return
        self.groups.setdefault(arn, {})[identity] = Target(identity, port, self.world.clock.now())
        self._changed("registered", arn, identity)

    def deregister(self, arn: str, identity: str) -> None:
        """Let a target drain for the group's deregistration delay; nothing happens to one that is not registered."""
        if not self.registered(arn, identity):
            return
        target = self.groups[arn][identity]
        target.since = self.world.clock.now()
        target.until = target.since + self.delay(arn)
        self._changed("deregistered", arn, identity)

    def forget_instance(self, identity: str) -> None:
        """Deregister a terminated instance everywhere, as AWS does."""
        for arn in list(self.groups):
            self.deregister(arn, identity)

    def delay(self, arn: str) -> float:
        """Return the group's deregistration delay in seconds."""
        group = self.world.backend("elbv2").target_groups.get(arn)
        return float(group.attributes[DELAY]) if group is not None else 0.0

    def report(
        self,
        arn: str,
        identity: str,
        *,
        healthy: bool | None,
        reason: str = "",
        description: str = "",
        open_count: int = 0,
    ) -> None:
        """Take in what the balancer's health check found; hold the world's lock."""
        target = self.groups.get(arn, {}).get(identity)
        if target is None:
            return
        before, target.healthy = target.healthy, healthy
        target.seen, target.open = True, open_count
        target.reason, target.description = reason, description
        if healthy is not before and not target.draining:
            name = {True: "healthy", False: "unhealthy", None: "unknown"}[healthy]
            self.world.emit("target-health", group=arn, instance=identity, state=name, reason=reason)

    def advance(self, now: float) -> None:
        """End what has drained; ask the probe."""
        known = self.world.backend("elbv2").target_groups
        for arn, targets in list(self.groups.items()):
            if arn not in known:
                del self.groups[arn]
                self.version += 1
                continue
            for target in list(targets.values()):
                if target.until is not None and now >= target.until:
                    del targets[target.id]
                    self._changed("drained", arn, target.id)
                elif self.probe is not None and target.until is None:
                    self.report(arn, target.id, healthy=self.probe(arn, target.id), reason="Health checks failed")

    def health(self, group: Any, identity: str) -> Health:
        """Return (state, reason, description) of a target as AWS words it."""
        target = self.groups.get(group.arn, {}).get(identity)
        if target is None:
            return NOT_REGISTERED
        if target.draining:
            return DRAINING
        instance = self.world.backend("ec2").get_instance_by_id(identity)
        if instance is not None and instance.state in {"stopped", "stopping"}:
            return STOPPED
        if not group.load_balancer_arns:
            return NOT_IN_USE
        if target.healthy is None:
            return CHECKING if target.seen else REGISTERING
        return HEALTHY if target.healthy else _unhealthy(target)

    def _changed(self, event: str, arn: str, identity: str) -> None:
        self.version += 1
        self.world.emit(f"target-{event}", group=arn, instance=identity)


def _unhealthy(target: Target) -> Health:
    if target.reason.startswith(("Target.", "Elb.")):
        return "unhealthy", target.reason, target.description
    words = target.description or target.reason or "Health checks failed"
    return "unhealthy", "Target.FailedHealthChecks", words


def install(world: AwsWorld, patches: Patches) -> None:
    """Let moto's target groups keep their registrations here."""

    @patches.replace(FakeTargetGroup, "register")
    def register(self: Any, targets: list[dict[str, Any]]) -> None:
        for target in targets:
            _must_be_running(self, target["Id"])
        for target in targets:
            world.targets.register(self.arn, target["Id"], int(target.get("Port") or self.port or 0))

    @patches.replace(FakeTargetGroup, "deregister")
    def deregister(self: Any, targets: list[dict[str, Any]]) -> None:
        for target in targets:
            world.targets.deregister(self.arn, target["Id"])

    @patches.replace(FakeTargetGroup, "deregister_terminated_instances")
    def terminated(self: Any, instance_ids: list[str]) -> None:
        for identity in instance_ids:
            world.targets.deregister(self.arn, identity)

    @patches.replace(ELBv2Backend, "describe_target_health")
    def describe(self: Any, target_group_arn: str, targets: list[dict[str, Any]]) -> list[Any]:
        group = self.target_groups.get(target_group_arn)
        if group is None:
            raise ELBClientError("TargetGroupNotFound", "One or more target groups not found")
        known = world.targets.groups.get(target_group_arn, {})
        asked = [target["Id"] for target in targets] if targets else list(known)
        return [_status(world, group, identity) for identity in asked]


def _must_be_running(group: Any, identity: str) -> None:
    instance = group.ec2_backend.get_instance_by_id(identity)
    if group.target_type == "instance" and instance is None:
        raise ELBClientError("InvalidTarget", f"The following targets are not valid instances: '{identity}'")
    if instance is not None and instance.state != "running":
        message = f"The following targets are not in a running state and cannot be registered: '{identity}'"
        raise ELBClientError("InvalidTarget", message)


def _status(world: AwsWorld, group: Any, identity: str) -> Any:
    target = world.targets.groups.get(group.arn, {}).get(identity)
    port = target.port if target is not None else group.port
    return FakeHealthStatus(identity, port, _health_port(group, port), *world.targets.health(group, identity))


def _health_port(group: Any, port: Any) -> str:
    return str(port if group.health_check_port in {None, "traffic-port"} else group.health_check_port)
