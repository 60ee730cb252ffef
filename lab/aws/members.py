"""The members of an auto-scaling group and the record of what the group did: plain values, no decisions."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any

PENDING, PENDING_WAIT, PENDING_PROCEED = "Pending", "Pending:Wait", "Pending:Proceed"
IN_SERVICE, STANDBY = "InService", "Standby"
TERMINATING, TERMINATING_WAIT, TERMINATING_PROCEED = "Terminating", "Terminating:Wait", "Terminating:Proceed"
ARRIVING = frozenset({PENDING, PENDING_WAIT, PENDING_PROCEED})
LEAVING = frozenset({TERMINATING, TERMINATING_WAIT, TERMINATING_PROCEED})


def moment(seconds: float) -> dt.datetime:
    """Return a UTC date for seconds since the epoch."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


@dataclass(slots=True, eq=False)
class Activity:
    """One line of DescribeScalingActivities."""

    group: str
    arn: str
    description: str
    cause: str
    start: float
    status: str = "InProgress"
    message: str = ""
    end: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def finish(self, now: float, status: str = "Successful", message: str = "") -> None:
        """Close the line."""
        self.end, self.status, self.message = now, status, message

    def wire(self) -> dict[str, Any]:
        """Return it as the API does."""
        line: dict[str, Any] = {
            "ActivityId": self.id,
            "AutoScalingGroupName": self.group,
            "AutoScalingGroupARN": self.arn,
            "Description": self.description,
            "Cause": self.cause,
            "StartTime": moment(self.start),
            "StatusCode": self.status,
            "Progress": 50 if self.end is None else 100,
            "Details": "{}",
        }
        if self.end is not None:
            line["EndTime"] = moment(self.end)
        return line | ({"StatusMessage": self.message} if self.message else {})


@dataclass(slots=True, eq=False)
class Member:
    """An instance of a group, with the names that moto's serialiser looks for.

    Attributes:
        instance: moto's EC2 instance.
        group: moto's group.
        template: moto's launch template version that it really was launched from; None for a launch configuration
            or an attached stranger.
        lifecycle_state: as AWS names it.
        since: when it came into that state.
        activity: the open line of the group's record about it.
    """

    instance: Any
    group: Any
    template: Any
    lifecycle_state: str
    since: float
    health_status: str = "Healthy"
    protected_from_scale_in: bool = False
    activity: Activity | None = None

    @property
    def auto_scaling_group_name(self) -> str:
        """For describe_auto_scaling_instances."""
        return str(self.group.name)

    @property
    def instance_id(self) -> str:
        """The instance's id."""
        return str(self.instance.id)

    @property
    def instance_type(self) -> str:
        """The instance's type."""
        return str(self.instance.instance_type)

    @property
    def availability_zone(self) -> str:
        """The instance's zone."""
        return str(self.instance.placement.zone)

    @property
    def launch_configuration_name(self) -> str | None:
        """Name of the launch configuration, where the group has one."""
        return getattr(self.group, "launch_configuration_name", None) if self.template is None else None

    @property
    def launch_template(self) -> dict[str, str] | None:
        """The template version that the instance really came from."""
        if self.template is None:
            return None
        template = self.template.template
        return {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Version": str(self.template.number),
        }

    @property
    def counts(self) -> bool:
        """Whether it counts towards the desired capacity."""
        return self.lifecycle_state in ARRIVING or self.lifecycle_state == IN_SERVICE

    def enter(self, state: str, now: float) -> None:
        """Come into another state."""
        self.lifecycle_state, self.since = state, now
