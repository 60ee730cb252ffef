"""One machine under an EC2 instance: what it is told, what state it is in, and what its operating system does.

What a machine installs is what its user data says: the header line ``BITBUCKET_VERSION='7.9.0'``. So is where it finds
its data: ``SHARED_HOME_SERVER`` is a file server's address, ``DATABASE_HOST`` a database's endpoint.
"""

from __future__ import annotations

import re
import sys
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
from lab.unit import FAILED, Unit

HEADER = r"^{}=(['\"]?)([^'\"\s]+)\1\s*$"
"""A line of user data that sets a value."""
BOOTING, UP, HALTING, OFF = "booting", "up", "halting", "off"


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


class Homes(Protocol):
    """The clusters that nodes belong to."""

    def url(self, cluster: str, base_url: str, ssh_base_url: str) -> str:
        """Return the URL of the shared memory of a cluster, given its name and where it is reached."""
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


@dataclass(slots=True)
class OperatingSystem:
    """What runs on every machine of a lab; whoever calls it holds the machines' lock.

    Attributes:
        site: what every machine is told.
        command: how a node's process is started, given its node.json.
        known: all machines, by instance id.
        disk_full: a fault: whether this machine's installation finds its disk full.
        disks: volumes and databases; without them every machine uses what ``site`` says.
        clusters: where nodes find their cluster; without it all are in the one that ``site`` says.
    """

    site: Site
    command: Callable[[Path], Sequence[str]]
    known: dict[str, Machine] = field(default_factory=dict)
    disk_full: Callable[[str], bool] = field(default=lambda _instance: False)
    disks: Disks | None = None
    clusters: Homes | None = None

    def furnish(self, spec: MachineSpec, directory: Path) -> None:
        """Make what a new machine has on its disk: programs, user data, and how to reach the lab."""
        install(directory)
        (directory / "home" / "log").mkdir(parents=True)
        (directory / "root").mkdir()
        (directory / "user-data").write_text(spec.user_data)
        document = {"id": spec.id, "control": self.site.control, "token_file": str(self.site.control_token)}
        write_json(directory / "machine.json", document)

    def boot(self, machine: Machine, now: float) -> str:
        """Run the user data, as far as the lab does: install the version it names and start it; return the event."""
        if machine.spec.role == mounts.FILE_SERVER:
            self.mount(machine)
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
        return self.bring_up(machine, now)

    def bring_up(self, machine: Machine, now: float) -> str:
        """Start Bitbucket once its data are there; return the event, empty while its script waits."""
        try:
            self._places(machine)
        except NoData:
            if machine.patience is not None and now < machine.patience:
                return ""
        machine.patience = None
        return "node-started" if self.start(machine) else "node-not-started"

    def start(self, machine: Machine) -> bool:
        """Start the unit with its data as they are now; False: it runs already, or fails and its log says why."""
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
        self.mount(machine)
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

    def mount(self, machine: Machine) -> None:
        """Let a machine see its file systems; a file server makes the directory that it exports."""
        volumes = {} if self.disks is None else self.disks.attached(machine.spec.id)
        main = mounts.data_volume(volumes)
        if machine.spec.role == mounts.FILE_SERVER and machine.power == UP and main is not None:
            (volumes[main] / SHARED).mkdir(exist_ok=True)
        server = self._server(machine.named("SHARED_HOME_SERVER"))
        links = mounts.wanted(machine.spec.role, volumes, server, machine.directory / "home" / "log")
        mounts.update(machine.directory / "root", machine.links, links)
        machine.links = links

    def _cluster(self, machine: Machine) -> str:
        """Return where the shared memory of a node's cluster is."""
        if self.clusters is None:
            return self.site.fabric
        return self.clusters.url(*(machine.named(key) for key in ("BBDC_CLUSTER", "BASE_URL", "SSH_BASE_URL")))

    def _node_document(self, machine: Machine, shared: Path, database: Path) -> dict[str, Any]:
        """Return node.json, as lab.bitbucket.here.NodeConfig reads it."""
        return {
            "id": machine.spec.id,
            "address": machine.spec.address,
            "version": machine.version,
            "http_port": 7990,
            "ssh_port": 7999,
            "fabric_url": self._cluster(machine),
            "fabric_token_file": str(self.site.fabric_token),
            "shared": str(shared),
            "database": str(database),
            "home": str(machine.directory / "home"),
            "grace_seconds": self.site.grace,
        }


def node_command(path: Path) -> list[str]:
    """Return how a node's process is started."""
    return [sys.executable, "-m", "lab.bitbucket.node", str(path)]
