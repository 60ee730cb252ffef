"""What could keep a roll on AWS from getting its machines: addresses, quota, somebody else's instance refresh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automation.adapters.aws.session import Caller
from automation.ports.cloud import Problem
from automation.ports.errors import Forbidden, NotFound, Unavailable, Unexpected

STANDARD_VCPUS = "L-1216C47A"
"""Quota 'Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances', counted in vCPUs."""
_STANDARD = tuple("acdhimrtz")
_REFRESHING = {"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"}

Json = dict[str, Any]


class Capacity:
    """Read-only checks of a group; each gives one problem or none."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def problems(self, group: Json, *, surge: int) -> tuple[Problem, ...]:
        """Run every check.

        Args:
            group: as ``describe-auto-scaling-groups`` has it.
            surge: machines that the roll adds.
        """
        # A successor is launched while its predecessor still shuts down: one machine more than the roll adds.
        extra = surge + 1
        checks: tuple[Callable[[], Problem | None], ...] = (
            lambda: self._refresh(group),
            lambda: self._addresses(group, extra),
            lambda: self._quota(group, extra),
        )
        found = (check() for check in checks)
        return tuple(problem for problem in found if problem is not None)

    def _refresh(self, group: Json) -> Problem | None:
        name = group["AutoScalingGroupName"]
        answer = self._caller.call("autoscaling", "describe_instance_refreshes", AutoScalingGroupName=name)
        refreshes = answer.get("InstanceRefreshes") or ()  # newest first; only one can be going on
        running = next((one for one in refreshes if one.get("Status") in _REFRESHING), None)
        if running is None:
            return None
        message = f"instance refresh {running['InstanceRefreshId']} of {name} is {running['Status']}"
        return Problem("instance_refresh", f"{message}: wait for it or cancel it")

    def _addresses(self, group: Json, extra: int) -> Problem | None:
        subnets = [one for one in str(group.get("VPCZoneIdentifier") or "").split(",") if one]
        if not subnets:
            return None
        found = self._caller.pages("ec2", "describe_subnets", "Subnets", SubnetIds=subnets)
        # A successor may be launched in any zone of the group, so each needs room.
        full = [
            f"{one['SubnetId']} ({one['AvailableIpAddressCount']} free)"
            for one in found
            if one["AvailableIpAddressCount"] < extra
        ]
        if not full:
            return None
        return Problem("free_addresses", f"subnets with less than {extra} free addresses: {', '.join(full)}")

    def _quota(self, group: Json, extra: int) -> Problem | None:
        limit = self._limit()
        if limit is None:
            return None
        members = {one["InstanceId"] for one in group.get("Instances") or ()}
        running = self._running()
        ours = [_vcpus(one) for one in running if one["InstanceId"] in members and _is_standard(one)]
        used = sum(_vcpus(one) for one in running if _is_standard(one))
        needed = extra * max(ours, default=0)
        if used + needed <= limit:
            return None
        message = f"{used} of {limit:.0f} vCPUs of quota {STANDARD_VCPUS} are in use, and the roll needs {needed} more"
        return Problem("vcpu_quota", f"{message}: ask AWS for more, or stop something")

    def _limit(self) -> float | None:
        """Return the quota; None where it cannot be told, which is no reason to refuse a roll."""
        try:
            answer = self._caller.call(
                "service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=STANDARD_VCPUS
            )
        except (NotFound, Forbidden, Unexpected, Unavailable):
            return None
        value = (answer.get("Quota") or {}).get("Value")
        return float(value) if value else None

    def _running(self) -> list[Json]:
        states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        found = self._caller.pages("ec2", "describe_instances", "Reservations", Filters=states)
        return [one for reservation in found for one in reservation.get("Instances", ())]


def _is_standard(machine: Json) -> bool:
    """Tell whether the quota counts it: a standard family, on demand."""
    return str(machine.get("InstanceType", "")).startswith(_STANDARD) and not machine.get("InstanceLifecycle")


def _vcpus(machine: Json) -> int:
    cpu = machine.get("CpuOptions") or {}
    return int(cpu.get("CoreCount", 0)) * int(cpu.get("ThreadsPerCore", 1))
