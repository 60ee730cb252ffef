"""What an auto-scaling group does by itself: launch, put into service, replace the sick, scale, terminate.

moto changes a group within the call that asks for it. Here calls only say what is wanted (lab/aws/groups.py), and
``advance`` brings the group there as time passes, as AWS does, honouring suspended processes and lifecycle hooks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.autoscaling.models import ASG_NAME_TAG

from lab.aws.hooks import ABANDON, ENDING, LAUNCHING, Hooks
from lab.aws.members import (
    ARRIVING,
    IN_SERVICE,
    LEAVING,
    PENDING,
    PENDING_PROCEED,
    PENDING_WAIT,
    TERMINATING,
    TERMINATING_PROCEED,
    TERMINATING_WAIT,
    Activity,
    Member,
    moment,
)
from lab.aws.refresh import Refreshes

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

KEPT = 100
"""Activities kept for each group."""


@dataclass(slots=True)
class Scaling:
    """All groups of the region.

    Attributes:
        world: the world they live in.
        hooks: who waits for a lifecycle hook.
        refreshes: instance refreshes.
        activities: group name -> newest first.
        retry: group name -> when a launch that failed is tried again.
        deleting: names of groups deleted by force, gone when their last member is.
    """

    world: AwsWorld
    hooks: Hooks = field(init=False)
    refreshes: Refreshes = field(init=False)
    activities: dict[str, list[Activity]] = field(default_factory=dict)
    retry: dict[str, float] = field(default_factory=dict)
    deleting: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.hooks = Hooks(self.world)
        self.refreshes = Refreshes(self.world)

    # --- time ---------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Move every group on."""
        groups = self.world.backend("autoscaling").autoscaling_groups
        for group in list(groups.values()):
            for member in list(group.instance_states):
                self._move(member, now)
            self.refreshes.advance(group, now)
            self._fit(group, now)
            if group.name in self.deleting and not group.instance_states:
                del groups[group.name]
                self.deleting.discard(group.name)

    def _move(self, member: Member, now: float) -> None:
        state = member.lifecycle_state
        if state in LEAVING:
            self._leave(member, now)
        elif state in ARRIVING:
            self._arrive(member, now)
        elif state == IN_SERVICE:
            self._examine(member, now)

    # --- arriving -----------------------------------------------------------------------------------------------

    def _arrive(self, member: Member, now: float) -> None:
        if member.instance.state not in {"pending", "running"}:
            member.health_status = "Unhealthy"
            self.terminate(member, now, "an instance was taken out of service in response to an EC2 health check")
        elif member.lifecycle_state == PENDING:
            if member.instance.state == "running" and now - member.since >= self.world.timings.launch:
                waits = self.hooks.begin(member, LAUNCHING, now)
                member.enter(PENDING_WAIT, now) if waits else self._into_service(member, now)
        elif member.lifecycle_state == PENDING_WAIT:
            outcome = self.hooks.outcome(member, now)
            if outcome == ABANDON:
                self.terminate(member, now, "a lifecycle hook abandoned the launch")
            elif outcome is not None:
                member.enter(PENDING_PROCEED, now)
        else:
            self._into_service(member, now)

    def _into_service(self, member: Member, now: float) -> None:
        member.enter(IN_SERVICE, now)
        if member.activity is not None:
            member.activity.finish(now)
        if "AddToLoadBalancer" not in suspended(member.group):
            self.register(member)
        self.world.emit("in-service", instance=member.instance_id, group=member.group.name)

    def register(self, member: Member) -> None:
        """Put a member into its group's target groups."""
        known = self.world.backend("elbv2").target_groups
        for arn in member.group.target_group_arns:
            if arn in known:
                self.world.targets.register(arn, member.instance_id, int(known[arn].port or 0))

    def deregister(self, member: Member) -> None:
        """Take a member out of its group's target groups."""
        for arn in member.group.target_group_arns:
            self.world.targets.deregister(arn, member.instance_id)

    # --- health -------------------------------------------------------------------------------------------------

    def _examine(self, member: Member, now: float) -> None:
        stopped = suspended(member.group)
        if "HealthCheck" not in stopped and self._sick(member, now):
            member.health_status = "Unhealthy"
        if member.health_status == "Unhealthy" and not stopped & {"ReplaceUnhealthy", "Terminate"}:
            self.terminate(member, now, "an instance was taken out of service in response to a health check failure")

    def _sick(self, member: Member, now: float) -> bool:
        dead = member.instance.state not in {"running", "pending"} or not self.world.machines.running(
            member.instance_id
        )
        grace = member.group.health_check_grace_period or 0
        if dead or "ELB" not in str(member.group.health_check_type) or now - member.since < grace:
            return dead
        return any(target.healthy is False for _, target in self.world.targets.of(member.instance_id))

    # --- leaving ------------------------------------------------------------------------------------------------

    def terminate(self, member: Member, now: float, why: str) -> Activity:
        """Begin to take a member away; one that is leaving already keeps its activity."""
        if member.lifecycle_state in LEAVING and member.activity is not None:
            return member.activity
        cause = f"At {moment(now):%Y-%m-%dT%H:%M:%SZ} {why}."
        member.activity = self._note(member.group, f"Terminating EC2 instance: {member.instance_id}", cause, now)
        member.enter(TERMINATING, now)
        self.hooks.waits.pop(member.instance_id, None)
        self.deregister(member)
        self.world.emit("leaving", instance=member.instance_id, group=member.group.name, why=why)
        return member.activity

    def _leave(self, member: Member, now: float) -> None:
        gone = member.instance.state == "terminated"
        if member.lifecycle_state == TERMINATING and not gone:
            if self._drains(member):
                return
            waits = self.hooks.begin(member, ENDING, now)
            member.enter(TERMINATING_WAIT if waits else TERMINATING_PROCEED, now)
        if member.lifecycle_state == TERMINATING_WAIT and (gone or self.hooks.outcome(member, now) is not None):
            member.enter(TERMINATING_PROCEED, now)
        if member.lifecycle_state == TERMINATING_PROCEED and not gone:
            self.world.instances.terminate(member.instance)
        if gone:
            self._remove(member, now)

    def _drains(self, member: Member) -> bool:
        if member.group.name in self.deleting or member.instance.state != "running":
            return False
        arns = set(member.group.target_group_arns)
        return any(arn in arns and target.draining for arn, target in self.world.targets.of(member.instance_id))

    def _remove(self, member: Member, now: float) -> None:
        member.group.instance_states.remove(member)
        if member.activity is not None:
            member.activity.finish(now)

    # --- size ---------------------------------------------------------------------------------------------------

    def _fit(self, group: Any, now: float) -> None:
        stopped = suspended(group)
        members = [member for member in group.instance_states if member.counts]
        missing = (group.desired_capacity or 0) - len(members)
        if missing > 0 and "Launch" not in stopped and group.name not in self.deleting:
            for _ in range(missing):
                if now < self.retry.get(group.name, 0) or not self._launch(group, now):
                    break
        elif missing < 0 and "Terminate" not in stopped and not self._arrivals(members):
            for member in victims(members, -missing):
                self.terminate(member, now, "a user request changed the desired capacity")

    def _arrivals(self, members: list[Member]) -> bool:
        """Say whether newcomers must be waited for before somebody goes."""
        return any(member.lifecycle_state in ARRIVING for member in members)

    def add(self, group: Any, now: float) -> bool:
        """Launch one more than wanted, as a zone rebalance does; say whether it went."""
        return self._launch(group, now)

    def _launch(self, group: Any, now: float) -> bool:
        subnet, zone = self._place(group)
        error = self.world.faults.launch_error(zone)
        if error is not None:
            self.world.faults.launch_failed(zone)
            self.retry[group.name] = now + self.world.timings.relaunch
            failed = self._note(group, "Launching a new EC2 instance", _wanted(group, now), now)
            failed.finish(now, "Failed", error)
            self.world.emit("launch-failed", group=group.name, zone=zone, why=error)
            return False
        template = self.refreshes.template(group)
        instance = run(group, template, subnet, zone)
        activity = self._note(group, f"Launching a new EC2 instance: {instance.id}", _wanted(group, now), now)
        activity.status = "PreInService"
        protected = bool(group.new_instances_protected_from_scale_in)
        member = Member(instance, group, template, PENDING, now, protected_from_scale_in=protected, activity=activity)
        group.instance_states.append(member)
        instance.autoscaling_group = group
        return True

    def _place(self, group: Any) -> tuple[str | None, str]:
        """Choose the subnet whose zone has the fewest members."""
        counts = Counter(member.availability_zone for member in group.instance_states if member.counts)
        backend = self.world.backend("ec2")
        if not group.vpc_zone_identifier:
            zone = min(group.availability_zones, key=lambda zone: counts[zone])
            return None, str(zone)
        subnets = [backend.get_subnet(name.strip()) for name in group.vpc_zone_identifier.split(",")]
        chosen = min(subnets, key=lambda subnet: (_blocked(self.world, subnet), counts[subnet.availability_zone]))
        return str(chosen.id), str(chosen.availability_zone)

    def _note(self, group: Any, description: str, cause: str, now: float) -> Activity:
        activity = Activity(group.name, group.arn, description, cause, now)
        lines = self.activities.setdefault(group.name, [])
        lines.insert(0, activity)
        del lines[KEPT:]
        return activity


def _blocked(world: AwsWorld, subnet: Any) -> bool:
    return world.faults.launch_error(subnet.availability_zone) is not None


def _wanted(group: Any, now: float) -> str:
    count = sum(member.counts for member in group.instance_states)
    return (
        f"At {moment(now):%Y-%m-%dT%H:%M:%SZ} an instance was started in response to a difference between desired "
        f"and actual capacity, increasing the capacity from {count} to {count + 1}."
    )


def suspended(group: Any) -> set[str]:
    """Return the names of the group's suspended processes."""
    return {process["ProcessName"] for process in group.suspended_processes}


def victims(members: list[Member], count: int) -> list[Member]:
    """Choose whom to scale in: from the fullest zone, the oldest template, the oldest instance; never protected ones.

    That is AWS's default termination policy, without the billing hour.
    """
    left, chosen = list(members), []
    for _ in range(count):
        candidates = [member for member in left if not member.protected_from_scale_in]
        if not candidates:
            break
        zones = Counter(member.availability_zone for member in left)
        chosen.append(min(candidates, key=lambda member: (-zones[member.availability_zone], *_age(member))))
        left.remove(chosen[-1])
    return chosen


def _age(member: Member) -> tuple[int, Any, str]:
    version = int(member.template.number) if member.template is not None else 0
    return version, member.instance.launch_time, member.instance_id


def run(group: Any, template: Any, subnet: str | None, zone: str) -> Any:
    """Launch one instance of the group from exactly this template version; return moto's instance."""
    tags = {**group.get_propagated_tags(), **(template.instance_tags if template is not None else {})}
    options: dict[str, Any] = {
        "tags": {"instance": {ASG_NAME_TAG: group.name, **tags}},
        "placement": zone,
        "subnet_id": subnet,
        "is_instance_type_default": False,
        "region_name": group.region,
    }
    if template is None:
        return _from_configuration(group, options)
    data = template.data
    if data.get("BlockDeviceMappings"):
        options["block_device_mappings"] = data["BlockDeviceMappings"]
    options["launch_template"] = {"LaunchTemplateId": template.template.id, "Version": str(template.number)}
    options["metadata_options"] = data.get("MetadataOptions", {})
    options["security_group_ids"] = _security_groups(data)
    options["associate_public_ip"] = False
    reservation = group.ec2_backend.run_instances(
        template.image_id, 1, template.user_data, [], instance_type=template.instance_type, **options
    )
    _profile(group, reservation.instances[0], data.get("IamInstanceProfile") or {})
    return reservation.instances[0]


def _security_groups(data: dict[str, Any]) -> list[str]:
    nics = data.get("NetworkInterfaces") or []
    return list(data.get("SecurityGroupIds") or (nics[0].get("Groups") or [] if nics else []))


def _profile(group: Any, instance: Any, profile: dict[str, str]) -> None:
    if profile:
        group.ec2_backend.associate_iam_instance_profile(
            instance_id=instance.id,
            iam_instance_profile_name=profile.get("Name"),
            iam_instance_profile_arn=profile.get("Arn"),
        )


def _from_configuration(group: Any, options: dict[str, Any]) -> Any:
    reservation = group.ec2_backend.run_instances(
        group.image_id,
        1,
        group.user_data,
        group.security_groups,
        instance_type=group.instance_type,
        launch_config=group.launch_config,
        associate_public_ip=group.launch_config.associate_public_ip_address,
        **options,
    )
    return reservation.instances[0]
