"""The node group: an auto-scaling group (``ports.cloud.Group``).

Every act names one machine of this group and the version it was observed with, looks at it again, and does nothing
to a machine that is somebody else's, has changed, or is on its way out already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from automation.adapters.aws import tags
from automation.adapters.aws.capacity import Capacity
from automation.adapters.aws.discovery import Estate
from automation.adapters.aws.session import Caller
from automation.adapters.aws.templates import Reference, Templates
from automation.core.cluster import Instance, InstanceState, NodeGroup
from automation.core.versions import same_version
from automation.ports.cloud import Problem
from automation.ports.errors import Conflict, NotFound

DISTURBING = frozenset({"AZRebalance", "AlarmNotification", "ScheduledActions", "ReplaceUnhealthy", "InstanceRefresh"})
"""Scaling processes that take or add machines by themselves. Launch and Terminate stay on: replacing needs them."""
LAUNCHING = frozenset({"Launch"})
"""The process that makes machines: off while the data under the cluster is swapped."""

_STATES = {
    "Pending": InstanceState.PENDING,
    "InService": InstanceState.IN_SERVICE,
    "Terminating": InstanceState.TERMINATING,
    "Terminated": InstanceState.TERMINATING,
    "Detaching": InstanceState.TERMINATING,
    "Detached": InstanceState.TERMINATING,
}
_GOING = {"shutting-down", "terminated"}

Json = dict[str, Any]


class AwsGroup:
    """Implements ``ports.cloud.Group`` over an auto-scaling group and its launch template."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._estate = Estate(caller, cluster)
        self._templates = Templates(caller)
        self._capacity = Capacity(caller)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def observe(self) -> NodeGroup:
        """Read the group, its machines and its model."""
        group = self._estate.group()
        members = list(group.get("Instances") or ())
        machines = self._machines([str(member["InstanceId"]) for member in members])
        return NodeGroup(
            name=str(group["AutoScalingGroupName"]),
            desired=int(group["DesiredCapacity"]),
            minimum=int(group["MinSize"]),
            maximum=int(group["MaxSize"]),
            version=self._templates.bitbucket_version(Reference.of_group(group)),
            instances=tuple(self._instance(member, machines.get(str(member["InstanceId"]), {})) for member in members),
            suspended=frozenset(str(one["ProcessName"]) for one in group.get("SuspendedProcesses") or ()),
        )

    def replace(self, instance: str, version: str | None) -> None:
        """Terminate the machine without lowering the desired capacity: the group launches its successor."""
        self._terminate(instance, version, decrement=False)

    def retire(self, instance: str, version: str | None) -> None:
        """Terminate the machine and lower the desired capacity by one."""
        self._terminate(instance, version, decrement=True)

    def resize(self, desired: int, *, observed: int) -> None:
        """Set the desired capacity; see ``ports.cloud.Group.resize``."""
        group = self._estate.group()
        now = int(group["DesiredCapacity"])
        if now == desired:
            return
        if now != observed:
            raise Conflict(f"the group's desired capacity is {now}, not {observed} as observed", hint="look again")
        self._update(group, DesiredCapacity=desired, MaxSize=max(int(group["MaxSize"]), desired))

    def limit(self, minimum: int, maximum: int) -> None:
        """Set minimum and maximum.

        Raises:
            Conflict: the desired capacity lies outside, so that AWS would change it.
        """
        group = self._estate.group()
        if (int(group["MinSize"]), int(group["MaxSize"])) == (minimum, maximum):
            return
        desired = int(group["DesiredCapacity"])
        if not minimum <= desired <= maximum:
            raise Conflict(f"limits {minimum}..{maximum} would change the desired capacity of {desired}")
        self._update(group, MinSize=minimum, MaxSize=maximum)

    def suspend(self, processes: Collection[str]) -> None:
        """Switch scaling processes off."""
        self._processes("suspend_processes", processes)

    def resume(self, processes: Collection[str]) -> None:
        """Switch scaling processes on again."""
        self._processes("resume_processes", processes)

    def disturbing(self) -> frozenset[str]:
        """The processes that a roll switches off, whether the group has a use for them now or not.

        A policy or a schedule may be added while the roll goes on.
        """
        return DISTURBING

    def set_version(self, version: str, *, observed: str | None) -> None:
        """Make a launch template version that carries ``version``, and let the group use it."""
        group = self._estate.group()
        reference = Reference.of_group(group)
        if reference is None:
            name = group["AutoScalingGroupName"]
            raise NotFound(
                f"the auto-scaling group {name} has no launch template", hint="a launch configuration cannot change"
            )
        number = self._templates.with_version(reference, version, observed=observed)
        if number is None or reference.version == "$Latest":
            return
        if reference.version == "$Default":
            self._templates.make_default(reference, number)
        else:
            self._update(group, **_pointing_at(group, replace(reference, version=number)))

    def problems(self, *, surge: int) -> tuple[Problem, ...]:
        """What stands in the way of a roll; see ``capacity``."""
        return self._capacity.problems(self._estate.group(), surge=surge)

    def _instance(self, member: Json, machine: Json) -> Instance:
        said = tags.read(machine.get("Tags")).get(tags.VERSION)
        launched = machine.get("LaunchTime")
        return Instance(
            id=str(member["InstanceId"]),
            address=machine.get("PrivateIpAddress"),
            state=_state(member, machine),
            version=said or self._templates.bitbucket_version(Reference.of(member.get("LaunchTemplate"))),
            zone=member.get("AvailabilityZone"),
            launched=launched.timestamp() if launched else None,
        )

    def _machines(self, ids: list[str]) -> dict[str, Json]:
        """Read EC2's side; asked by filter, because one id that is gone would fail the whole call."""
        if not ids:
            return {}
        filters = [{"Name": "instance-id", "Values": ids}]
        found = self._caller.pages("ec2", "describe_instances", "Reservations", Filters=filters)
        return {str(one["InstanceId"]): one for reservation in found for one in reservation.get("Instances", ())}

    def _terminate(self, instance: str, version: str | None, *, decrement: bool) -> None:
        if not self._must_go(instance, version):
            return
        try:
            self._caller.once(
                "autoscaling",
                "terminate_instance_in_auto_scaling_group",
                InstanceId=instance,
                ShouldDecrementDesiredCapacity=decrement,
            )
        except NotFound:
            return  # gone between the look and the act

    def _must_go(self, instance: str, version: str | None) -> bool:
        """Tell whether the machine is still there to be terminated, and still what was observed."""
        group = self._estate.group()
        member = next((one for one in group.get("Instances") or () if one["InstanceId"] == instance), None)
        if member is None:
            return False
        now = self._instance(member, self._machines([instance]).get(instance, {}))
        if now.state is InstanceState.TERMINATING:
            return False
        if now.version != version and not same_version(now.version, version):
            raise Conflict(f"machine {instance} carries {now.version}, not {version} as observed", hint="look again")
        return True

    def _processes(self, operation: str, processes: Collection[str]) -> None:
        if not processes:
            return  # AWS takes an empty list for all of them, Launch and Terminate included
        name = self._estate.group()["AutoScalingGroupName"]
        self._caller.call("autoscaling", operation, AutoScalingGroupName=name, ScalingProcesses=sorted(processes))

    def _update(self, group: Json, **changes: Any) -> None:
        name = group["AutoScalingGroupName"]
        self._caller.call("autoscaling", "update_auto_scaling_group", AutoScalingGroupName=name, **changes)


def _state(member: Json, machine: Json) -> InstanceState:
    """Combine both sides: EC2 knows first that a machine is going, whoever took it."""
    if (machine.get("State") or {}).get("Name") in _GOING:
        return InstanceState.TERMINATING
    phase = str(member.get("LifecycleState") or "").partition(":")[0]
    return _STATES.get(phase, InstanceState.UNKNOWN)


def _pointing_at(group: Json, reference: Reference) -> Json:
    """Return the update that makes the group use ``reference``, keeping a mixed instances policy as it is."""
    spec = {"LaunchTemplateId": reference.template, "Version": reference.version}
    if group.get("LaunchTemplate"):
        return {"LaunchTemplate": spec}
    policy = dict(group["MixedInstancesPolicy"])
    return {
        "MixedInstancesPolicy": policy
        | {"LaunchTemplate": policy["LaunchTemplate"] | {"LaunchTemplateSpecification": spec}}
    }
