"""Machines under EC2 instances: a directory each, and on nodes a Bitbucket process.

What a machine installs is what its user data says: the header line ``BITBUCKET_VERSION='7.9.0'``. Calls of the cloud
only note what shall be; the supervisor's thread does it, so that no call waits for a process.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.aws.ports import MachineSpec
from lab.files import write_json
from lab.unit import FAILED, INACTIVE, Unit

HEADER = re.compile(r"^BITBUCKET_VERSION=(['\"]?)([^'\"\s]+)\1\s*$", re.MULTILINE)
BOOTING, UP, HALTING, OFF = "booting", "up", "halting", "off"
SHIM = """#!/bin/sh
# systemctl of this machine: controls its Bitbucket through the lab's daemon.
PYTHONPATH="{root}" exec "{python}" -m lab.systemctl "$@"
"""
ROOT = Path(__file__).resolve().parent.parent
POLL = 0.05

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """What every machine of one lab is told; durations in seconds.

    Attributes:
        directory: DIR/instances.
        control: URL of the daemon's control API, for the machine's systemctl.
        control_token: file with its token.
        fabric: URL of the cluster's shared memory.
        fabric_token: file with its token.
        shared_home: shared home directory.
        database: the shared database's file.
        grace: how long a node's graceful stop waits for open requests.
        power_on: from launch until the operating system runs its user data.
        power_off: what an operating system grants its services when it is switched off.
        stop_timeout: TimeoutStopSec of the unit.
    """

    directory: Path
    control: str
    control_token: Path
    fabric: str
    fabric_token: Path
    shared_home: Path
    database: Path
    grace: float = 30.0
    power_on: float = 0.3
    power_off: float = 4.0
    stop_timeout: float = 45.0


@dataclass(slots=True)
class Machine:
    """One machine."""

    spec: MachineSpec
    directory: Path
    power: str = BOOTING
    due: float = 0.0
    """When booting or halting is over at the latest."""
    unit: Unit | None = None
    version: str | None = None
    """What was installed."""
    trouble: str = ""
    """Why the installation failed; empty when it did not."""


Listener = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class ProcessMachines:
    """All machines of a lab, with real processes.

    Attributes:
        site: what every machine is told.
        command: how a node's process is started, given its node.json.
        listener: told of every change, without any lock held.
        disk_full: a fault: whether this machine's installation finds its disk full.
    """

    site: Site
    command: Callable[[Path], Sequence[str]]
    listener: Listener = field(default=lambda _event, _details: None)
    disk_full: Callable[[str], bool] = field(default=lambda _instance: False)
    known: dict[str, Machine] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    # --- what the cloud asks for (lab.aws.ports.Machines) --------------------------------------------------------

    def launch(self, spec: MachineSpec) -> None:
        """Power on a new machine."""
        directory = self.site.directory / spec.id
        directory.mkdir(parents=True, mode=0o700)
        self._furnish(spec, directory)
        with self._lock:
            self.known[spec.id] = Machine(spec, directory, due=time.time() + self.site.power_on)

    def start(self, instance: str) -> None:
        """Power on a stopped machine; its unit is enabled and starts again."""
        with self._lock:
            machine = self.known[instance]
            machine.power, machine.due = BOOTING, time.time() + self.site.power_on

    def shut_down(self, instance: str) -> None:
        """Power off: services get SIGTERM, and SIGKILL when the operating system's patience ends."""
        with self._lock:
            machine = self.known[instance]
            if machine.power in {BOOTING, UP}:
                machine.power, machine.due = HALTING, time.time() + self.site.power_off
                if machine.unit is not None:
                    machine.unit.stop(time.time(), self.site.power_off)

    def running(self, instance: str) -> bool:
        """Say whether the machine is powered on."""
        machine = self.known.get(instance)
        return machine is not None and machine.power != OFF

    def directory(self, instance: str) -> Path:
        """Return the machine's directory."""
        return self.known[instance].directory

    # --- what faults and systemctl ask for -----------------------------------------------------------------------

    def cut_power(self, instance: str) -> None:
        """The machine is off at once, with everything on it."""
        with self._lock:
            machine = self.known[instance]
            machine.power = HALTING if machine.unit is not None and machine.unit.process is not None else OFF
            machine.due = 0.0
            if machine.unit is not None:
                machine.unit.kill()

    def crash(self, instance: str) -> bool:
        """Kill the node's process; say whether there was one."""
        with self._lock:
            unit = self.known[instance].unit
            if unit is None or unit.process is None:
                return False
            unit.kill()
            return True

    def hold_stop(self, instance: str, *, hold: bool) -> None:
        """Let the unit's stop do nothing until its time-out."""
        with self._lock:
            unit = self.known[instance].unit
            if unit is not None:
                unit.hold = hold

    def control_unit(self, instance: str, verb: str) -> str:
        """Do what systemctl was asked: start, stop, restart or nothing; return the unit's state.

        Raises:
            KeyError: there is no such machine, or no Bitbucket on it.
        """
        with self._lock:
            machine = self.known[instance]
            if machine.unit is None:
                raise KeyError("bitbucket.service")
            if verb == "stop":
                machine.unit.stop(time.time())
            elif verb == "start" and machine.power == UP:
                machine.unit.start()
            return machine.unit.state

    def pids(self) -> dict[str, int]:
        """Return instance id -> process id of every running node."""
        with self._lock:
            units = {name: machine.unit for name, machine in self.known.items()}
            return {name: unit.pid for name, unit in units.items() if unit is not None and unit.pid is not None}

    # --- the supervisor ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin to supervise."""
        self._thread = threading.Thread(target=self._run, name="machines", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cut the power of every machine: the lab ends, and nothing of it is worth a graceful stop."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            units = [machine.unit for machine in self.known.values() if machine.unit is not None]
            for unit in units:
                unit.kill()
            for unit in units:
                unit.reap()
            for machine in self.known.values():
                machine.power = OFF

    def _run(self) -> None:
        while not self._closing.wait(POLL):
            for machine in list(self.known.values()):
                try:
                    told = self._step(machine, time.time())
                except Exception as error:  # noqa: BLE001 - one machine's trouble must not end the others' supervision
                    _log.exception("machine %s stumbled", machine.spec.id)
                    machine.trouble, told = str(error), ["machine-trouble"]
                for event in told:
                    self.listener(event, {"instance": machine.spec.id, "trouble": machine.trouble})

    def _step(self, machine: Machine, now: float) -> list[str]:
        with self._lock:
            told = []
            if machine.unit is not None and machine.unit.poll(now):
                told.append("node-crashed" if machine.unit.state == FAILED else "node-stopped")
            if machine.power == BOOTING and now >= machine.due:
                machine.power = UP
                told.append(self._boot(machine))
            elif machine.power == HALTING and (machine.unit is None or machine.unit.process is None):
                machine.power = OFF
                if machine.unit is not None:
                    machine.unit.state = INACTIVE
                told.append("power-off")
            return [event for event in told if event]

    # --- the machine's inside ------------------------------------------------------------------------------------

    def _furnish(self, spec: MachineSpec, directory: Path) -> None:
        shim = directory / "bin" / "systemctl"
        shim.parent.mkdir()
        shim.write_text(SHIM.format(python=sys.executable, root=ROOT))
        shim.chmod(0o755)
        (directory / "home").mkdir()
        (directory / "user-data").write_text(spec.user_data)
        document = {"id": spec.id, "control": self.site.control, "token_file": str(self.site.control_token)}
        write_json(directory / "machine.json", document)

    def _boot(self, machine: Machine) -> str:
        """Run the user data, as far as the lab does: install the version it names and start it."""
        if machine.spec.role != "node":
            return "power-on"
        found = HEADER.search(machine.spec.user_data)
        if found is None:
            machine.trouble = "its user data names no BITBUCKET_VERSION"
        elif self.disk_full(machine.spec.id):
            machine.trouble = "No space left on device"
        if machine.trouble or found is None:
            return "install-failed"
        machine.version = found[2]
        if machine.unit is None:
            machine.unit = self._unit(machine)
        machine.unit.start()
        return "node-started"

    def _unit(self, machine: Machine) -> Unit:
        path = machine.directory / "node.json"
        write_json(path, self._node_document(machine))
        log = machine.directory / "log" / "bitbucket.log"
        return Unit(self.command(path), log, machine.directory, self.site.stop_timeout)

    def _node_document(self, machine: Machine) -> dict[str, Any]:
        """Return node.json, as lab.bitbucket.here.NodeConfig reads it."""
        return {
            "id": machine.spec.id,
            "address": machine.spec.address,
            "version": machine.version,
            "http_port": 7990,
            "ssh_port": 7999,
            "fabric_url": self.site.fabric,
            "fabric_token_file": str(self.site.fabric_token),
            "shared": str(self.site.shared_home),
            "database": str(self.site.database),
            "home": str(machine.directory / "home"),
            "grace_seconds": self.site.grace,
        }


def node_command(path: Path) -> list[str]:
    """Return how a node's process is started."""
    return [sys.executable, "-m", "lab.bitbucket.node", str(path)]
