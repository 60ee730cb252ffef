# ruff: noqa: SLF001 - the parameters of a call are read through names private to moto
"""The API of auto-scaling groups: each call checks what AWS checks and states what is wanted.

lab/aws/scaling.py then brings the group there. Calls that moto lacks are added: describe_scaling_activities,
complete_lifecycle_action, record_lifecycle_action_heartbeat and instance refresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from lab.aws.hooks import CONTINUE
from lab.aws.members import IN_SERVICE, LEAVING, STANDBY, Activity, Member
from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

PROCESSES = frozenset(
    {"Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance"}
    | {"HealthCheck", "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"}
)


def install(world: AwsWorld, patches: Patches) -> None:
    """Repair and complete the auto-scaling API."""
    _capacity(patches)
    _lifetime(world, patches)
    _members(world, patches)
    _balancing(world, patches)
    _processes(patches)
    _hooks(world, patches)
    _refreshes(world, patches)


# --- look-ups --------------------------------------------------------------------------------------------------


def group_of(backend: Any, name: str) -> Any:
    """Return moto's group. Raises ValidationError as AWS words it."""
    group = backend.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError("AutoScalingGroup name not found - null")
    return group


def member_of(backend: Any, instance: str, group: str | None = None) -> Member:
    """Return the member of a group. Raises ValidationError as AWS words it."""
    for candidate in backend.autoscaling_groups.values():
        if group not in {None, candidate.name}:
            continue
        for member in candidate.instance_states:
            if member.instance_id == instance:
                return member  # type: ignore[no-any-return]  # instance_states holds our members
    raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {instance}")


# --- capacity --------------------------------------------------------------------------------------------------


def _capacity(patches: Patches) -> None:
    @patches.replace(FakeAutoScalingGroup, "set_desired_capacity")
    def wish(self: Any, new_capacity: int | None) -> None:
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity

    @patches.replace(AutoScalingBackend, "set_desired_capacity")
    def set_desired(self: Any, group_name: str, desired_capacity: int | None) -> None:
        group = group_of(self, group_name)
        if desired_capacity is not None:
            _check_desired(desired_capacity, group.min_size, group.max_size)
        group.set_desired_capacity(desired_capacity)

    @patches.wrap(FakeAutoScalingGroup, "update")
    def update(original: Any, self: Any, *args: Any, **options: Any) -> None:
        low = self.min_size if options.get("min_size") is None else options["min_size"]
        high = self.max_size if options.get("max_size") is None else options["max_size"]
        if low > high:
            raise ValidationError("Min size cannot be greater than max size")
        wanted = options.get("desired_capacity")
        if wanted is None:
            wanted = min(max(self.desired_capacity, low), high)
        _check_desired(wanted, low, high)
        original(self, *args, **{**options, "desired_capacity": wanted})


def _check_desired(wanted: int, low: int, high: int) -> None:
    text = f"New SetDesiredCapacity value {wanted} is"
    if wanted > high:
        raise ValidationError(f"{text} above max value {high} for the AutoScalingGroup.")
    if wanted < low:
        raise ValidationError(f"{text} below min value {low} for the AutoScalingGroup.")


# --- creation and deletion -------------------------------------------------------------------------------------


def _lifetime(world: AwsWorld, patches: Patches) -> None:
    @patches.wrap(AutoScalingBackend, "create_auto_scaling_group")
    def create(original: Any, self: Any, **options: Any) -> Any:
        if options["name"] in self.autoscaling_groups:
            message = f"AutoScalingGroup by this name already exists - A group with the name {options['name']} exists"
            raise AutoscalingClientError("AlreadyExists", message)
        low, high = int(options["min_size"]), int(options["max_size"])
        if low > high:
            raise ValidationError("Min size cannot be greater than max size")
        _check_desired(int(options["desired_capacity"] or low), low, high)
        if any(arn not in self.elbv2_backend.target_groups for arn in options["target_group_arns"] or []):
            raise ValidationError("Provided Target Groups may not be valid. Please ensure they exist and try again.")
        return original(self, **options)

    for verb in ("create_auto_scaling_group", "update_auto_scaling_group"):
        patches.wrap(AutoScalingResponse, verb)(_keep_policy)
    patches.replace(AutoScalingResponse, "delete_auto_scaling_group")(lambda self: _delete(world, self))


def _keep_policy(original: Any, response: Any) -> Any:
    """Keep InstanceMaintenancePolicy, which moto drops."""
    answer = original(response)
    group = group_of(response.autoscaling_backend, response._get_param("AutoScalingGroupName"))
    policy = response._get_param("InstanceMaintenancePolicy")
    if policy is not None:
        group.instance_maintenance_policy = policy
    return answer


def _delete(world: AwsWorld, response: Any) -> Any:
    group = group_of(response.autoscaling_backend, response._get_param("AutoScalingGroupName"))
    if group.instance_states and not response._get_bool_param("ForceDelete", False):
        message = "You cannot delete an AutoScalingGroup while there are instances still in the group."
        raise AutoscalingClientError("ResourceInUse", message)
    group.min_size = group.max_size = group.desired_capacity = 0
    group.status = "Delete in progress"
    world.scaling.deleting.add(group.name)
    for member in list(group.instance_states):
        world.scaling.terminate(member, world.clock.now(), "a user request deleted the group")
    return EmptyResult()


# --- members ---------------------------------------------------------------------------------------------------


def _members(world: AwsWorld, patches: Patches) -> None:
    @patches.replace(AutoScalingBackend, "notify_terminate_instances")
    def terminated(self: Any, instance_ids: list[str]) -> None:
        """EC2 tells of terminated instances; the group's own health check notices them."""

    @patches.replace(AutoScalingResponse, "terminate_instance_in_auto_scaling_group")
    def terminate(self: Any) -> Any:
        member = member_of(self.autoscaling_backend, self._get_param("InstanceId"))
        decrement = self._get_bool_param("ShouldDecrementDesiredCapacity", False)
        return ActionResult({"Activity": _terminate(world, member, decrement=decrement).wire()})

    @patches.replace(AutoScalingBackend, "set_instance_health")
    def health(self: Any, instance_id: str, health_status: str) -> None:
        member_of(self, instance_id).health_status = health_status

    @patches.replace(AutoScalingBackend, "attach_instances")
    def attach(self: Any, group_name: str, instance_ids: list[str]) -> None:
        group = group_of(self, group_name)
        _check_desired(group.desired_capacity + len(instance_ids), group.min_size, group.max_size)
        for identity in instance_ids:
            member = Member(self.ec2_backend.get_instance(identity), group, None, IN_SERVICE, world.clock.now())
            group.instance_states.append(member)
            world.scaling.register(member)
        group.desired_capacity += len(instance_ids)

    @patches.replace(AutoScalingResponse, "detach_instances")
    def detach(self: Any) -> Any:
        return _each(world, self, _detach)

    @patches.replace(AutoScalingResponse, "enter_standby")
    def standby(self: Any) -> Any:
        return _each(world, self, _enter_standby)

    @patches.replace(AutoScalingResponse, "exit_standby")
    def back(self: Any) -> Any:
        return _each(world, self, _exit_standby)

    @patches.replace(AutoScalingResponse, "describe_scaling_activities")
    def activities(self: Any) -> Any:
        return ActionResult({"Activities": _activities(world, self)})


def _terminate(world: AwsWorld, member: Member, *, decrement: bool) -> Activity:
    group, now = member.group, world.clock.now()
    if member.lifecycle_state not in LEAVING and decrement:
        if member.counts and group.desired_capacity - 1 < group.min_size:
            raise ValidationError(
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement "
                "will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or "
                "lower group's min size."
            )
        group.desired_capacity -= 1 if member.counts else 0
    return world.scaling.terminate(member, now, "instance was taken out of service in response to a user request")


def _each(world: AwsWorld, response: Any, act: Any) -> Any:
    group = group_of(response.autoscaling_backend, response._get_param("AutoScalingGroupName"))
    decrement = response._get_bool_param("ShouldDecrementDesiredCapacity", False)
    members = [
        member_of(response.autoscaling_backend, identity, group.name)
        for identity in response._get_param("InstanceIds", [])
    ]
    return ActionResult({"Activities": [act(world, member, decrement=decrement).wire() for member in members]})


def _shrink(group: Any) -> None:
    if group.desired_capacity - 1 < group.min_size:
        raise ValidationError("Decrementing the desired capacity would violate the group's min size constraint.")
    group.desired_capacity -= 1


def _done(world: AwsWorld, member: Member, text: str) -> Activity:
    now = world.clock.now()
    activity = Activity(member.group.name, member.group.arn, f"{text}: {member.instance_id}", "A user request.", now)
    activity.finish(now)
    world.scaling.activities.setdefault(member.group.name, []).insert(0, activity)
    return activity


def _detach(world: AwsWorld, member: Member, *, decrement: bool) -> Activity:
    if decrement and member.counts:
        _shrink(member.group)
    world.scaling.deregister(member)
    member.group.instance_states.remove(member)
    return _done(world, member, "Detaching EC2 instance")


def _enter_standby(world: AwsWorld, member: Member, *, decrement: bool) -> Activity:
    if member.lifecycle_state != IN_SERVICE:
        raise ValidationError(f"The instance {member.instance_id} is not in InService.")
    if decrement:
        _shrink(member.group)
    world.scaling.deregister(member)
    member.enter(STANDBY, world.clock.now())
    return _done(world, member, "Moving EC2 instance to Standby")


def _exit_standby(world: AwsWorld, member: Member, *, decrement: bool) -> Activity:  # noqa: ARG001 - called like the others
    if member.lifecycle_state != STANDBY:
        raise ValidationError(f"The instance {member.instance_id} is not in Standby.")
    group = member.group
    _check_desired(group.desired_capacity + 1, group.min_size, group.max_size)
    group.desired_capacity += 1
    member.enter(IN_SERVICE, world.clock.now())
    world.scaling.register(member)
    return _done(world, member, "Moving EC2 instance out of Standby")


def _activities(world: AwsWorld, response: Any) -> list[dict[str, Any]]:
    name = response._get_param("AutoScalingGroupName")
    wanted = response._get_param("ActivityIds", [])
    lines = [line for group, lines in world.scaling.activities.items() if name in {None, group} for line in lines]
    lines = [line for line in lines if not wanted or line.id in wanted]
    return [line.wire() for line in lines[: response._get_int_param("MaxRecords", 100)]]


# --- load balancing --------------------------------------------------------------------------------------------


def _balancing(world: AwsWorld, patches: Patches) -> None:
    @patches.replace(AutoScalingBackend, "update_attached_target_groups")
    def update(self: Any, group_name: str) -> None:
        """Members enter and leave target groups one by one, in scaling.py."""

    @patches.replace(AutoScalingBackend, "attach_load_balancer_target_groups")
    def attach(self: Any, group_name: str, target_group_arns: list[str]) -> None:
        group = group_of(self, group_name)
        group.append_target_groups(target_group_arns)
        for member in group.instance_states:
            if member.lifecycle_state == IN_SERVICE:
                world.scaling.register(member)

    @patches.replace(AutoScalingBackend, "detach_load_balancer_target_groups")
    def detach(self: Any, group_name: str, target_group_arns: list[str]) -> None:
        group = group_of(self, group_name)
        for arn in target_group_arns:
            for member in group.instance_states:
                world.targets.deregister(arn, member.instance_id)
        group.target_group_arns = [arn for arn in group.target_group_arns if arn not in target_group_arns]


def _processes(patches: Patches) -> None:
    def checked(original: Any, self: Any, group_name: str, scaling_processes: list[str]) -> None:
        group_of(self, group_name)
        unknown = set(scaling_processes or ()) - PROCESSES
        if unknown:
            raise ValidationError(f"Invalid process names: {', '.join(sorted(unknown))}")
        original(self, group_name, scaling_processes)

    patches.wrap(AutoScalingBackend, "suspend_processes")(checked)
    patches.wrap(AutoScalingBackend, "resume_processes")(checked)


# --- lifecycle hooks -------------------------------------------------------------------------------------------


def _hooks(world: AwsWorld, patches: Patches) -> None:
    def find(response: Any) -> Any:
        ask = response._get_param
        group = group_of(response.autoscaling_backend, ask("AutoScalingGroupName"))
        hook, token = ask("LifecycleHookName"), ask("LifecycleActionToken")
        return world.scaling.hooks.find(group, hook, ask("InstanceId"), token)

    @patches.add(AutoScalingResponse, "complete_lifecycle_action")
    def complete(self: Any) -> Any:
        find(self).result = self._get_param("LifecycleActionResult", CONTINUE)
        return EmptyResult()

    @patches.add(AutoScalingResponse, "record_lifecycle_action_heartbeat")
    def heartbeat(self: Any) -> Any:
        wait = find(self)
        wait.deadline = world.clock.now() + wait.hook.heartbeat_timeout
        return EmptyResult()


# --- instance refresh ------------------------------------------------------------------------------------------


def _refreshes(world: AwsWorld, patches: Patches) -> None:
    refreshes = world.scaling.refreshes

    @patches.add(AutoScalingResponse, "start_instance_refresh")
    def start(self: Any) -> Any:
        group = group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        if refreshes.current(group.name) is not None:
            message = f"An Instance Refresh is already in progress and blocks the execution of this one: {group.name}"
            raise AutoscalingClientError("InstanceRefreshInProgress", message)
        wanted = (self._get_param("DesiredConfiguration") or {}).get("LaunchTemplate")
        template = _wanted_template(group, wanted)
        skip = str((self._get_param("Preferences") or {}).get("SkipMatching", "false")).lower() == "true"
        refresh = refreshes.start(group, template, world.clock.now(), skip_matching=skip)
        return ActionResult({"InstanceRefreshId": refresh.id})

    @patches.add(AutoScalingResponse, "describe_instance_refreshes")
    def describe(self: Any) -> Any:
        group = group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        wanted = self._get_param("InstanceRefreshIds", [])
        lines = [line for line in refreshes.known.get(group.name, []) if not wanted or line.id in wanted]
        return ActionResult({"InstanceRefreshes": [line.wire() for line in lines]})

    @patches.add(AutoScalingResponse, "cancel_instance_refresh")
    def cancel(self: Any) -> Any:
        group = group_of(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
        refresh = refreshes.current(group.name)
        if refresh is None:
            message = "No in progress or pending Instance Refresh found for the Auto Scaling group"
            raise AutoscalingClientError("ActiveInstanceRefreshNotFound", message)
        refresh.status = "Cancelling"
        return ActionResult({"InstanceRefreshId": refresh.id})


def _wanted_template(group: Any, wanted: dict[str, str] | None) -> Any:
    if not wanted:
        return None
    backend, identity = group.ec2_backend, wanted.get("LaunchTemplateId")
    name = wanted.get("LaunchTemplateName")
    template = backend.get_launch_template(identity) if identity else backend.get_launch_template_by_name(name)
    return template.get_version(wanted.get("Version", "$Default"))
