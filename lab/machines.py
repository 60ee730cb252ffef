"""Machines under EC2 instances: a directory each, and on nodes a Bitbucket process.

What a machine installs is what its user data says: the header line ``BITBUCKET_VERSION='7.9.0'``. So is where it finds
its data: ``SHARED_HOME_SERVER`` is a file server's address, ``DATABASE_HOST`` a database's endpoint. Calls of the cloud
only note what shall be; the supervisor's thread does it, so that no call waits for a process.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab.aws.endpoints import storage_name_of
from lab.aws.ports import MachineSpec
from lab.data import mounts
from lab.data.mounts import Server
from lab.data.volumes import SHARED
from lab.files import write_json
from lab.shims.install import install
from lab.unit import FAILED, INACTIVE, Unit

HEADER = r"^{}=(['\"]?)([^'\"\s]+)\1\s*$"
"""A line of user data that sets a value."""
BOOTING, UP, HALTING, OFF = "booting", "up", "halting", "off"
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
        shared_home: shared home directory of a machine whose user data names no file server.
        database: database file of a machine whose user data names no database.
        grace: how long a node's graceful stop waits for open requests.
        power_on: from launch until the operating system runs its user data.
        power_off: what an operating system grants its services when it is switched off.
        stop_timeout: TimeoutStopSec of the unit.
        mount_patience: how long a machine that boots waits for its shared home and database.
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
    mount_patience: float = 60.0


class Disks(Protocol):
    """What is attached to machines, and the databases they can reach."""

    def attached(self, instance: str) -> Mapping[str, Path]:
        """Return device -> directory of an instance's volumes."""
        ...

    def database(self, name: str) -> Path | None:
        """Return a database's file; None when there is none of that name."""
        ...


class NoData(LookupError):
    """A node's shared home or database is not there."""


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
    patience: float | None = None
    """Until when the machine, while it boots, waits for its data; None when it does not."""
    links: Mapping[Path, Path] = field(default_factory=dict)
    """What it sees where, under its root directory."""

    def named(self, key: str) -> str:
        """Return what the user data sets a key to; empty when it does not."""
        found = re.search(HEADER.format(key), self.spec.user_data, re.MULTILINE)
        return found[2] if found else ""


Listener = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class ProcessMachines:
    """All machines of a lab, with real processes.

    Attributes:
        site: what every machine is told.
        command: how a node's process is started, given its node.json.
        listener: told of every change, without any lock held.
        disk_full: a fault: whether this machine's installation finds its disk full.
        disks: volumes and databases; without them every machine uses what ``site`` says.
    """

    site: Site
    command: Callable[[Path], Sequence[str]]
    listener: Listener = field(default=lambda _event, _details: None)
    disk_full: Callable[[str], bool] = field(default=lambda _instance: False)
    disks: Disks | None = None
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
        self.remount(spec.id)

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
                self._start(machine)
            return machine.unit.state

    def remount(self, instance: str) -> None:
        """Let a machine see what is attached to it now, and nodes what their file server exports."""
        with self._lock:
            for machine in self.known.values():
                if machine.spec.id == instance or machine.spec.role == mounts.NODE:
                    self._mount(machine)

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
                machine.power, machine.patience = UP, now + self.site.mount_patience
                told.append(self._boot(machine))
            elif machine.power == UP and machine.patience is not None:
                told.append(self._bring_up(machine, now))
            elif machine.power == HALTING and (machine.unit is None or machine.unit.process is None):
                machine.power = OFF
                if machine.unit is not None:
                    machine.unit.state = INACTIVE
                told.append("power-off")
            return [event for event in told if event]

    # --- the machine's inside ------------------------------------------------------------------------------------

    def _furnish(self, spec: MachineSpec, directory: Path) -> None:
        install(directory)
        (directory / "home" / "log").mkdir(parents=True)
        (directory / "root").mkdir()
        (directory / "user-data").write_text(spec.user_data)
        document = {"id": spec.id, "control": self.site.control, "token_file": str(self.site.control_token)}
        write_json(directory / "machine.json", document)

    def _boot(self, machine: Machine) -> str:
        """Run the user data, as far as the lab does: install the version it names and start it."""
        if machine.spec.role == mounts.FILE_SERVER:
            self._mount(machine)
        if machine.spec.role != mounts.NODE:
            machine.patience = None
            return "power-on"
        machine.version = machine.named("BITBUCKET_VERSION") or None
        if machine.version is None:
            machine.trouble = "its user data names no BITBUCKET_VERSION"
        elif self.disk_full(machine.spec.id):
            machine.trouble = "No space left on device"
        if machine.trouble:
            machine.patience = None
            return "install-failed"
        if machine.unit is None:
            log = machine.directory / "log" / "bitbucket.log"
            command = self.command(machine.directory / "node.json")
            machine.unit = Unit(command, log, machine.directory, self.site.stop_timeout)
        return self._bring_up(machine, time.time())

    def _bring_up(self, machine: Machine, now: float) -> str:
        """Start Bitbucket once its data are there; wait for them as long as the machine's script does."""
        try:
            self._places(machine)
        except NoData:
            if machine.patience is not None and now < machine.patience:
                return ""
        machine.patience = None
        return "node-started" if self._start(machine) else "node-not-started"

    def _start(self, machine: Machine) -> bool:
        """Start the unit with its data as they are now; without them it fails, and its log says why."""
        unit = machine.unit
        if unit is None or unit.process is not None:
            return False
        try:
            places = self._places(machine)
        except NoData as error:
            unit.state = FAILED
            unit.log.parent.mkdir(parents=True, exist_ok=True)
            with unit.log.open("a") as log:
                log.write(f"bitbucket.service failed: {error}\n")
            return False
        self._mount(machine)
        write_json(machine.directory / "node.json", self._node_document(machine, *places))
        unit.start()
        return True

    def _places(self, machine: Machine) -> tuple[Path, Path]:
        """Return a node's shared home and database, with all links followed. Raises NoData."""
        shared, database = self.site.shared_home, self.site.database
        address, host = machine.named("SHARED_HOME_SERVER"), machine.named("DATABASE_HOST")
        if self.disks is None:
            return shared, database
        if address:
            server = self._server(address)
            if server is None or not server.shared_home.is_dir():
                raise NoData(f"mount of the shared home from {address} failed: nothing is exported there")
            shared = server.shared_home.resolve()
        if host:
            found = self.disks.database(storage_name_of(host))
            if found is None:
                raise NoData(f"the database {host} does not answer")
            database = found
        if not (address and host) and not self.site.shared_home.exists():
            raise NoData("its user data name no SHARED_HOME_SERVER and no DATABASE_HOST")
        return shared, database

    def _server(self, address: str) -> Server | None:
        """Return the file server that answers at an address."""
        for machine in self.known.values():
            if machine.spec.address == address and machine.power == UP and machine.spec.role == mounts.FILE_SERVER:
                return Server(machine.directory / "root")
        return None

    def _mount(self, machine: Machine) -> None:
        """Let a machine see its file systems; a file server makes the directory that it exports."""
        volumes = {} if self.disks is None else self.disks.attached(machine.spec.id)
        main = mounts.data_volume(volumes)
        if machine.spec.role == mounts.FILE_SERVER and machine.power == UP and main is not None:
            (volumes[main] / SHARED).mkdir(exist_ok=True)
        server = self._server(machine.named("SHARED_HOME_SERVER"))
        links = mounts.wanted(machine.spec.role, volumes, server, machine.directory / "home" / "log")
        mounts.update(machine.directory / "root", machine.links, links)
        machine.links = links

    def _node_document(self, machine: Machine, shared: Path, database: Path) -> dict[str, Any]:
        """Return node.json, as lab.bitbucket.here.NodeConfig reads it."""
        return {
            "id": machine.spec.id,
            "address": machine.spec.address,
            "version": machine.version,
            "http_port": 7990,
            "ssh_port": 7999,
            "fabric_url": self.site.fabric,
            "fabric_token_file": str(self.site.fabric_token),
            "shared": str(shared),
            "database": str(database),
            "home": str(machine.directory / "home"),
            "grace_seconds": self.site.grace,
        }


def node_command(path: Path) -> list[str]:
    """Return how a node's process is started."""
    return [sys.executable, "-m", "lab.bitbucket.node", str(path)]
