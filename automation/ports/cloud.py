"""The cloud's side of a roll: the node group, the load balancer, the machines, the metrics.

AWS: auto-scaling group, target groups, SSM, CloudWatch. Azure: scale set, application gateway, run command, monitor.
Every method may raise Unavailable (Throttled), Unreachable, NotAuthenticated, Forbidden or Unexpected.
Acts are idempotent and carry the identity that was observed: "already so" and "already gone" are success.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from automation.core.cluster import NodeGroup, Target


@dataclass(frozen=True, slots=True)
class Problem:
    """A named reason why the cloud could not carry a roll now."""

    name: str
    message: str


class Group(Protocol):
    """The auto-scaling group or scale set."""

    def observe(self) -> NodeGroup:
        """Read the group. Raises NotFound when there is none for this cluster."""
        ...

    def replace(self, instance: str, version: str | None) -> None:
        """Begin to replace the machine by a new one of the group's current model; capacity stays.

        ``version`` is the Bitbucket version the machine was observed with: nothing is done, and Conflict is raised,
        when the machine now carries another. A machine that is gone or going already is success.
        """
        ...

    def retire(self, instance: str, version: str | None) -> None:
        """Take the machine away without a successor; capacity goes down by one. Same guard as replace."""
        ...

    def resize(self, desired: int, *, observed: int) -> None:
        """Set the desired capacity, raising the maximum where needed; Conflict when it is not ``observed``."""
        ...

    def limit(self, minimum: int, maximum: int) -> None:
        """Set the capacity limits; Conflict when the desired capacity lies outside, because that would change it."""
        ...

    def suspend(self, processes: Collection[str]) -> None:
        """Switch scaling processes off."""
        ...

    def resume(self, processes: Collection[str]) -> None:
        """Switch scaling processes on again."""
        ...

    def disturbing(self) -> frozenset[str]:
        """Names of the scaling processes that could take or add machines during a roll."""
        ...

    def set_version(self, version: str, *, observed: str | None) -> None:
        """Write ``version`` into the group's model; Conflict when the model does not carry ``observed``.

        Only for estates that no Pulumi program owns.
        """
        ...

    def problems(self, *, surge: int) -> tuple[Problem, ...]:
        """Preflight: quotas, capacity and free addresses for the roll, with ``surge`` machines more."""
        ...


class Balancer(Protocol):
    """Target groups, or backend pools."""

    def targets(self) -> tuple[Target, ...]:
        """Every registration in every target group of the cluster."""
        ...

    def groups(self) -> tuple[str, ...]:
        """Names of all target groups of the cluster."""
        ...

    def deregister(self, instance: str) -> None:
        """Take the instance out of every target group: no new requests; open ones may finish (draining)."""
        ...

    def register(self, instance: str) -> None:
        """Put the instance back into every target group."""
        ...


class Host(Protocol):
    """The machine under a node."""

    def stop_bitbucket(self, instance: str, *, key: str) -> None:
        """Begin a graceful stop of Bitbucket; returns before it has stopped.

        ``key`` names this act: a second call with the same key does nothing. Raises NotFound when the machine
        cannot be commanded (gone, or its agent is not connected).
        """
        ...


class Metrics(Protocol):
    """Figures of the machines."""

    def cpu(self, instances: Collection[str]) -> Mapping[str, float]:
        """Mean CPU utilisation of the last minutes in percent, for those instances that have one."""
        ...


class Archive(Protocol):
    """Where nodes fetch Bitbucket's installation archive from."""

    def problem(self, version: str) -> Problem | None:
        """Say why a node could not fetch ``version`` now, or None when it could."""
        ...


class Backups(Protocol):
    """What is known of backup sets."""

    def newest_complete(self) -> float | None:
        """Seconds since the epoch of the newest complete backup set; None when there is none."""
        ...
