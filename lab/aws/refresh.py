"""Instance refresh: the group replaces its members itself, one after the other."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.aws.members import IN_SERVICE, Member, moment

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

OPEN = frozenset({"Pending", "InProgress", "Cancelling"})


@dataclass(slots=True, eq=False)
class Refresh:
    """One refresh of one group."""

    group: str
    template: Any
    skip_matching: bool
    start: float
    todo: list[str]
    status: str = "InProgress"
    end: float | None = None
    total: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def wire(self) -> dict[str, Any]:
        """Return it as the API does."""
        done = self.total - len(self.todo)
        line: dict[str, Any] = {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": self.group,
            "Status": self.status,
            "StartTime": moment(self.start),
            "PercentageComplete": 100 if not self.total else 100 * done // self.total,
            "InstancesToUpdate": len(self.todo),
        }
        return line | ({"EndTime": moment(self.end)} if self.end is not None else {})


@dataclass(slots=True)
class Refreshes:
    """All refreshes: group name -> newest first."""

    world: AwsWorld
    known: dict[str, list[Refresh]] = field(default_factory=dict)

    def current(self, group: str) -> Refresh | None:
        """Return the open refresh of a group."""
        return next((refresh for refresh in self.known.get(group, []) if refresh.status in OPEN), None)

    def template(self, group: Any) -> Any:
        """Return the launch template version of the next launch; None where there is a launch configuration."""
        refresh = self.current(group.name)
        if refresh is not None and refresh.template is not None:
            return refresh.template
        template = group.ec2_launch_template
        return None if template is None else template.get_version(group.launch_template_version)

    def start(self, group: Any, template: Any, now: float, *, skip_matching: bool) -> Refresh:
        """Begin a refresh."""
        members = [member.instance_id for member in group.instance_states if member.counts]
        refresh = Refresh(group.name, template, skip_matching, now, members, total=len(members))
        self.known.setdefault(group.name, []).insert(0, refresh)
        return refresh

    def advance(self, group: Any, now: float) -> None:
        """Replace the next member once everybody is in service and healthy."""
        refresh = self.current(group.name)
        if refresh is None or not self._settled(group):
            return
        if refresh.status == "Cancelling":
            refresh.status, refresh.end = "Cancelled", now
            return
        member = self._next(group, refresh)
        if member is not None:
            self.world.scaling.terminate(member, now, "an instance refresh replaced the instance")
        else:
            refresh.status, refresh.end = "Successful", now
            if refresh.template is not None:
                group.launch_template_version = str(refresh.template.number)
                group.provided_launch_template_version = str(refresh.template.number)

    def _next(self, group: Any, refresh: Refresh) -> Member | None:
        wanted = self.template(group)
        members: dict[str, Member] = {member.instance_id: member for member in group.instance_states}
        while refresh.todo:
            member = members.get(refresh.todo.pop(0))
            if member is not None and not (refresh.skip_matching and member.template is wanted):
                return member
        return None

    def _settled(self, group: Any) -> bool:
        members = group.instance_states
        if len(members) != group.desired_capacity:
            return False
        return all(member.lifecycle_state == IN_SERVICE and self._healthy(member) for member in members)

    def _healthy(self, member: Member) -> bool:
        return all(target.healthy is True for _, target in self.world.targets.of(member.instance_id))
