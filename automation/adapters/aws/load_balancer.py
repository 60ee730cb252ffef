"""Target groups (``ports.cloud.Balancer``): an instance is in all of the cluster's, or on its way out of all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from automation.adapters.aws.discovery import Estate, TargetGroup
from automation.adapters.aws.session import Caller
from automation.core.cluster import Target, TargetState
from automation.ports.errors import NotFound

_NOT_REGISTERED = "Target.NotRegistered"


class AwsBalancer:
    """Implements ``ports.cloud.Balancer`` over Elastic Load Balancing target groups."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._estate = Estate(caller, cluster)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def targets(self) -> tuple[Target, ...]:
        """Every registration in every target group; draining ones stay listed until their delay is over."""
        return tuple(
            _target(item, group)
            for group in self._groups()
            for item in self._health(group)
            if _reason(item) != _NOT_REGISTERED
        )

    def groups(self) -> tuple[str, ...]:
        """Short names of all target groups."""
        return tuple(group.name for group in self._groups())

    def deregister(self, instance: str) -> None:
        """Begin to drain the instance in every target group where it is registered."""
        for group in self._groups():
            present = self._registrations(group, instance)
            if present:
                self._change("deregister_targets", group, [_identity(item["Target"]) for item in present])

    def register(self, instance: str) -> None:
        """Register the instance in every target group where it is not, or is draining."""
        for group in self._groups():
            if not self._registrations(group, instance):
                target = {"Id": instance} if group.port is None else {"Id": instance, "Port": group.port}
                self._change("register_targets", group, [target])

    def _groups(self) -> tuple[TargetGroup, ...]:
        return self._estate.target_groups()

    def _health(self, group: TargetGroup) -> list[dict[str, Any]]:
        with self._looking_again():
            answer = self._caller.call("elbv2", "describe_target_health", TargetGroupArn=group.arn)
        return list(answer.get("TargetHealthDescriptions", ()))

    def _registrations(self, group: TargetGroup, instance: str) -> list[dict[str, Any]]:
        """Return the instance's entries that take new requests, or would again once it is healthy."""
        return [item for item in self._health(group) if item["Target"]["Id"] == instance and _is_registered(item)]

    def _change(self, operation: str, group: TargetGroup, targets: list[dict[str, Any]]) -> None:
        with self._looking_again():
            self._caller.call("elbv2", operation, TargetGroupArn=group.arn, Targets=targets)

    @contextmanager
    def _looking_again(self) -> Iterator[None]:
        try:
            yield
        except NotFound:
            self._estate.forget()  # a target group was replaced: the next pass finds the new one
            raise


def _identity(target: dict[str, Any]) -> dict[str, Any]:
    """Return id and port: an instance can be registered under several ports, and each must go."""
    return {key: target[key] for key in ("Id", "Port") if key in target}


def _state(item: dict[str, Any]) -> TargetState:
    return TargetState.of(item.get("TargetHealth", {}).get("State"))


def _reason(item: dict[str, Any]) -> str | None:
    reason = item.get("TargetHealth", {}).get("Reason")
    return str(reason) if reason else None


def _is_registered(item: dict[str, Any]) -> bool:
    return _state(item) is not TargetState.DRAINING and _reason(item) != _NOT_REGISTERED


def _target(item: dict[str, Any], group: TargetGroup) -> Target:
    return Target(instance=item["Target"]["Id"], group=group.name, state=_state(item), reason=_reason(item))
