"""What faults are done with: the machines, the cluster and the cloud of this daemon (lab.faults.Hands)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from lab.bitbucket.fabric import Fabric
from lab.bitbucket.records import WorldRefused
from lab.faults import NoSuchFault
from lab.machines import UP, ProcessMachines


@dataclass(slots=True)
class DaemonHands:
    """Acts on real machines.

    Attributes:
        machines: the machines.
        fabric: the cluster.
        lock_token: unlock token of a maintenance lock that a fault took.
    """

    machines: ProcessMachines
    fabric: Fabric
    lock_token: str = ""

    def running(self) -> list[str]:
        """Return the machines whose Bitbucket runs."""
        return list(self.machines.pids())

    def crash(self, instance: str) -> None:
        """Kill the node's process; its peers notice by themselves."""
        with contextlib.suppress(KeyError):
            if self.machines.crash(instance):
                return
        raise NoSuchFault(f"no Bitbucket runs on {instance}")

    def hold_stop(self, instance: str, *, hold: bool) -> None:
        """Let the unit's stop hang, or no longer."""
        if instance in self.machines.known:
            self.machines.hold_stop(instance, hold=hold)

    def lose_zone(self, zone: str) -> None:
        """Cut the power of every machine in the zone."""
        for instance, machine in list(self.machines.known.items()):
            if machine.spec.zone == zone and machine.power == UP and machine.spec.role == "node":
                self.machines.cut_power(instance)

    def cluster_fault(self, name: str, instance: str, times: int | None, **params: Any) -> None:
        """Switch a fault of the cluster on."""
        try:
            self.fabric.fault(name, node=instance, times=times, **params)
        except WorldRefused as error:
            raise NoSuchFault(str(error)) from error

    def clear_cluster_fault(self, name: str) -> None:
        """Switch it off."""
        self.fabric.clear_faults(name)

    def lock(self, *, locked: bool) -> None:
        """Lock Bitbucket for maintenance as an administrator would, or unlock it."""
        nodes = [node["id"] for node in self.fabric.to_json()["nodes"] if node["state"] == "ACTIVE"]
        if not nodes:
            raise NoSuchFault("no node is ACTIVE: nobody could lock it")
        if locked:
            who = {"user": "admin", "display_name": "Administrator"}
            answer = self.fabric.call(nodes[0], "maintenance.lock", who)
            if answer["status"] >= 400:
                raise NoSuchFault(f"Bitbucket could not be locked: {answer['body']}")
            self.lock_token = str(answer["body"]["unlockToken"])
        elif self.lock_token:
            self.fabric.call(nodes[0], "maintenance.unlock", {"token": self.lock_token})
            self.lock_token = ""
