"""What a group does at somebody else's bidding: scheduled actions, alarms, and evening out its zones.

Each is a scaling process of its own, and each can take a machine away in the middle of an upgrade: that is why they
are modelled, and why they are honoured when suspended.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.autoscaling.responses import AutoScalingResponse
from moto.cloudwatch.models import CloudWatchBackend
from moto.core.responses import ActionResult

from lab.aws.members import IN_SERVICE
from lab.aws.patches import Patches
from lab.aws.scaling import suspended

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld


@dataclass(slots=True)
class Disturbances:
    """Looks after every group.

    Attributes:
        world: where the groups are.
        done: names of scheduled actions that were carried out, or missed because they were suspended.
    """

    world: AwsWorld
    done: set[str] = field(default_factory=set)

    def advance(self, now: float) -> None:
        """Do what is due."""
        backend = self.world.backend("autoscaling")
        for action in list(backend.scheduled_actions.values()):
            self._schedule(backend, action, now)
        for group in list(backend.autoscaling_groups.values()):
            if not suspended(group) & {"AZRebalance", "Launch", "Terminate"}:
                self._rebalance(group, now)

    def _schedule(self, backend: Any, action: Any, now: float) -> None:
        group = backend.autoscaling_groups.get(action.auto_scaling_group_name)
        start = _seconds(action.start_time)
        if group is None or start is None or now < start or action.scheduled_action_name in self.done:
            return
        self.done.add(action.scheduled_action_name)
        if "ScheduledActions" in suspended(group):
            return
        limits = {"min_size": action.min_size, "max_size": action.max_size}
        for name, value in limits.items():
            if value is not None:
                setattr(group, name, int(value))
        wanted = group.desired_capacity if action.desired_capacity is None else int(action.desired_capacity)
        group.set_desired_capacity(min(max(wanted, group.min_size), group.max_size))
        self.world.emit("scheduled-action", group=group.name, name=action.scheduled_action_name)

    def _rebalance(self, group: Any, now: float) -> None:
        """Launch in the emptiest zone when it has two fewer than the fullest; scale-in then takes from the fullest."""
        members = group.instance_states
        settled = all(member.lifecycle_state == IN_SERVICE for member in members)
        if not settled or len(members) != group.desired_capacity or not members:
            return
        open_zones = [zone for zone in group.availability_zones if self.world.faults.launch_error(zone) is None]
        where = Counter(member.availability_zone for member in members)
        counts = [where[zone] for zone in open_zones]
        if counts and max(counts) - min(counts) >= 2:
            self.world.scaling.add(group, now)
            self.world.emit("rebalance", group=group.name)


def install(world: AwsWorld, patches: Patches) -> None:
    """Let alarms carry out the scaling policies among their actions, and policies tell their ARN."""

    @patches.wrap(AutoScalingResponse, "put_scaling_policy")
    def put(original: Any, self: Any) -> Any:
        return ActionResult({"PolicyARN": original(self).result["PolicyArn"]})  # moto misspells the field

    @patches.wrap(CloudWatchBackend, "set_alarm_state")
    def alarm(original: Any, self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        alarm_name, _, _, state_value = args
        if state_value == "ALARM" and self.alarms[alarm_name].actions_enabled is not False:
            _act(world, self.alarms[alarm_name].alarm_actions)


def _act(world: AwsWorld, actions: list[str]) -> None:
    backend = world.backend("autoscaling")
    for policy in backend.policies.values():
        group = backend.autoscaling_groups.get(policy.auto_scaling_group_name)
        if policy.arn in actions and group is not None and "AlarmNotification" not in suspended(group):
            change = int(policy.scaling_adjustment or 0)
            exact = policy.adjustment_type == "ExactCapacity"
            wanted = change if exact else group.desired_capacity + change
            group.set_desired_capacity(min(max(wanted, group.min_size), group.max_size))
            world.emit("alarm", group=group.name, policy=policy.name)


def _seconds(moment: Any) -> float | None:
    """Return seconds since the epoch for what moto keeps of a StartTime."""
    if moment is None:
        return None
    if isinstance(moment, str):
        moment = dt.datetime.fromisoformat(moment)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return float(moment.timestamp())
