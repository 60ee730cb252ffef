"""What faults are done with: the machines, the cluster and the cloud of this daemon (lab.faults.Hands)."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from lab.bitbucket.fabric import Fabric
from lab.bitbucket.faults import CATALOGUE
from lab.bitbucket.records import WorldRefused
from lab.daemon.clouds import Cloud
from lab.fault_kinds import NoSuchFault
from lab.machine import UP
from lab.machines import ProcessMachines

PATIENCE = 3.0
"""Seconds to wait for heartbeats; a node that sends none for longer counts as crashed."""
POLL = 0.05


@dataclass(slots=True)
class DaemonHands:
    """Acts on real machines.

    Attributes:
        machines: the machines.
        fabric: the cluster.
        cloud: the cloud.
        lock_token: unlock token of a maintenance lock that a fault took.
    """

    machines: ProcessMachines
    fabric: Fabric
    cloud: Cloud
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

    def cluster_fault(self, name: str, instance: str, times: int | None, **params: Any) -> int:
        """Switch a fault of the cluster on; return its number there."""
        try:
            fault = self.fabric.fault(name, node=instance, times=times, **params)
        except WorldRefused as error:
            raise NoSuchFault(str(error)) from error
        if CATALOGUE[name].where == "node":
            self._wait_until_known()
        return fault.uid

    def _wait_until_known(self) -> None:
        """Nodes hear of a fault with their next heartbeat: wait until each has sent one since now."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < PATIENCE:
            heard = [node["heard"] for node in self.fabric.to_json()["nodes"] if not node["crashed"]]
            if all(ago is not None and ago < passed - POLL for ago in heard):
                return
            time.sleep(POLL)

    def clear_cluster_fault(self, number: int) -> None:
        """Switch it off."""
        self.fabric.clear_fault(number)

    def cluster_faults(self) -> dict[int, int | None]:
        """Return what the cluster still acts out, by number, with the uses that are left."""
        return {line["uid"]: line["left"] for line in self.fabric.faults()}

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

    def keep_databases_busy(self, state: str, seconds: float) -> None:
        """Let every available database be in another state for a while."""
        if not self.cloud.keep_databases_busy(state, seconds):
            raise NoSuchFault("no database is available")

    def fail_operations(self, service: str, action: str, times: int, seconds: float) -> None:
        """Let the next long-running operations fail."""
        if not self.cloud.fail_operations(service, action, times, seconds):
            raise NoSuchFault("this lab's cloud has no long-running operations")

    def keep_disks(self, *, keep: bool) -> None:
        """Let machines that are reimaged show the same disk as before, or another one."""
        if not self.cloud.keep_disks(keep=keep) and keep:
            raise NoSuchFault("this lab's cloud reimages nothing")
