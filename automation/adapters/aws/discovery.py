"""Find a cluster's parts by tag: the auto-scaling group, and through it the target groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automation.adapters.aws import tags
from automation.adapters.aws.session import Caller
from automation.ports.errors import BbdcError, NotFound, Unexpected

_TAGS_AT_ONCE = 20
"""Most load balancer resources that DescribeTags takes in one call."""


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group of the cluster."""

    arn: str
    name: str
    """Short name, from the tag ``bitbucket-dc:target-group``: ``http`` or ``ssh``; the group's own name without it."""
    port: int | None
    """Port under which instances are registered."""


class Estate:
    """The AWS parts of one cluster; names are looked up once and again when they lead nowhere."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster
        self._group_name: str | None = None
        self._target_groups: tuple[TargetGroup, ...] | None = None

    def group(self) -> dict[str, Any]:
        """Return the auto-scaling group as ``describe-auto-scaling-groups`` has it.

        Raises:
            NotFound: no group carries the cluster's tag.
            Unexpected: several do.
        """
        if self._group_name is not None:
            found = self._groups(AutoScalingGroupNames=[self._group_name])
            if found:
                return found[0]
        group = self._tagged_group()
        self._group_name = str(group["AutoScalingGroupName"])
        return group

    def target_groups(self) -> tuple[TargetGroup, ...]:
        """Return the target groups that the auto-scaling group registers its instances in."""
        if self._target_groups is None:
            self._target_groups = self._find_target_groups(list(self.group().get("TargetGroupARNs") or ()))
        return self._target_groups

    def forget(self) -> None:
        """Look everything up anew at the next use: a name led nowhere."""
        self._group_name = self._target_groups = None

    def _groups(self, **arguments: Any) -> list[dict[str, Any]]:
        found = self._caller.pages("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", **arguments)
        # A group that is being deleted carries a status; it can hold no cluster any more.
        return [group for group in found if not group.get("Status")]

    def _tagged_group(self) -> dict[str, Any]:
        found = self._groups(Filters=[{"Name": f"tag:{tags.CLUSTER}", "Values": [self._cluster]}])
        if len(found) == 1:
            return found[0]
        if not found:
            raise self._nothing()
        names = ", ".join(sorted(str(group["AutoScalingGroupName"]) for group in found))
        raise Unexpected(
            f"several auto-scaling groups carry {tags.CLUSTER}={self._cluster}: {names}",
            hint="give each cluster a name of its own",
        )

    def _nothing(self) -> NotFound:
        where = f"{self._caller.region}{self._account()}"
        return NotFound(
            f"no auto-scaling group with the tag {tags.CLUSTER}={self._cluster} in {where}",
            hint="check BBDC_CLUSTER, AWS_REGION and the account; has 'pulumi up' created the cluster?",
        )

    def _account(self) -> str:
        try:
            return f", account {self._caller.call('sts', 'get_caller_identity')['Account']}"
        except BbdcError:
            return ""  # only a help in a message that is worth giving without it

    def _find_target_groups(self, arns: list[str]) -> tuple[TargetGroup, ...]:
        if not arns:
            return ()
        names: dict[str, str] = {}
        for start in range(0, len(arns), _TAGS_AT_ONCE):
            chunk = arns[start : start + _TAGS_AT_ONCE]
            answer = self._caller.call("elbv2", "describe_tags", ResourceArns=chunk)
            for item in answer.get("TagDescriptions", ()):
                names[item["ResourceArn"]] = tags.read(item.get("Tags")).get(tags.TARGET_GROUP, "")
        described = self._caller.pages("elbv2", "describe_target_groups", "TargetGroups", TargetGroupArns=arns)
        found = (
            TargetGroup(
                item["TargetGroupArn"], names.get(item["TargetGroupArn"]) or item["TargetGroupName"], item.get("Port")
            )
            for item in described
        )
        return tuple(sorted(found, key=lambda group: group.name))
