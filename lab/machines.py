"""All machines of a lab: a directory each, and on nodes a Bitbucket process.

Calls of the cloud only note what shall be; the supervisor's thread does it, so that no call waits for a process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.aws.ports import MachineSpec
from lab.data import mounts
from lab.machine import BOOTING, HALTING, OFF, UP, Machine, OperatingSystem
from lab.unit import FAILED, INACTIVE

POLL = 0.05

_log = logging.getLogger(__name__)


Listener = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class ProcessMachines:
    """All machines of a lab, with real processes.

    Attributes:
        system: what runs on each of them.
        listener: told of every change, without any lock held.
    """

    system: OperatingSystem
    listener: Listener = field(default=lambda _event, _details: None)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def known(self) -> dict[str, Machine]:
        """All machines that ever were, by instance id."""
        return self.system.known

    # --- what the cloud asks for (lab.aws.ports.Machines) --------------------------------------------------------

    def launch(self, spec: MachineSpec) -> None:
        """Power on a new machine."""
        directory = self.system.site.directory / spec.id
        directory.mkdir(parents=True, mode=0o700)
        self.system.furnish(spec, directory)
        with self._lock:
            self.known[spec.id] = Machine(spec, directory, due=time.time() + self.system.site.power_on)
        self.remount(spec.id)

    def start(self, instance: str) -> None:
        """Power on a stopped machine; its unit is enabled and starts again."""
        with self._lock:
            machine = self.known[instance]
            machine.power, machine.due = BOOTING, time.time() + self.system.site.power_on

    def shut_down(self, instance: str) -> None:
        """Power off: services get SIGTERM, and SIGKILL when the operating system's patience ends."""
        with self._lock:
            machine = self.known[instance]
            if machine.power in {BOOTING, UP}:
                machine.power, machine.due = HALTING, time.time() + self.system.site.power_off
                if machine.unit is not None:
                    machine.unit.stop(time.time(), self.system.site.power_off)

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
                self.system.start(machine)
            return machine.unit.state

    def remount(self, instance: str) -> None:
        """Let a machine see what is attached to it now, and nodes what their file server exports."""
        with self._lock:
            for machine in self.known.values():
                if machine.spec.id == instance or machine.spec.role == mounts.NODE:
                    self.system.mount(machine)

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
                machine.power, machine.patience = UP, now + self.system.site.mount_patience
                told.append(self.system.boot(machine, now))
            elif machine.power == UP and machine.patience is not None:
                told.append(self.system.bring_up(machine, now))
            elif machine.power == HALTING and (machine.unit is None or machine.unit.process is None):
                machine.power = OFF
                if machine.unit is not None:
                    machine.unit.state = INACTIVE
                told.append("power-off")
            return [event for event in told if event]
