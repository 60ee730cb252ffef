"""The daemon's parts, put together: cloud, cluster, machines, balancer, provider, faults, control."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psutil

from lab import invariants
from lab.bitbucket.fabric import LAB_SETTINGS, Fabric
from lab.bitbucket.records import State
from lab.bitbucket.seeding import seed
from lab.daemon.children import Keeper
from lab.daemon.clouds import Cloud, Ground
from lab.daemon.clusters import Clusters
from lab.daemon.control import Control
from lab.daemon.desk import Desk
from lab.daemon.events import Events
from lab.daemon.hands import DaemonHands
from lab.daemon.on_aws import AwsCloud
from lab.daemon.on_azure import AzureCloud
from lab.daemon.sampler import Sampler
from lab.daemon.watch import Watch
from lab.data.databases import FILE
from lab.data.storage import SEED, DirectoryStorage
from lab.faults import FaultBook
from lab.files import write_json, write_private
from lab.machine import OperatingSystem, Site, node_command
from lab.machines import ProcessMachines
from lab.state import Options, ProcessId, Record
from lab.unit import Unit

FIRST_OCTET, LAST_OCTET = 10, 250
FRONTS = 20_000
"""Front ports begin here: under the range from which connections take theirs."""
CLOUDS: Mapping[str, Callable[[Ground], Cloud]] = {"aws": AwsCloud, "azure": AzureCloud}

_log = logging.getLogger(__name__)


class NoRoom(RuntimeError):
    """No network is free for another lab."""


class _Part(Protocol):
    def open(self) -> None: ...
    def close(self) -> None: ...


P = TypeVar("P", bound=_Part)


class Daemon:
    """One lab while it runs; ``open`` it, ``run`` it, ``close`` it.

    Args:
        directory: the lab's directory.
        options: how it is to be. Raises ImpossibleWorld for what cannot exist.
    """

    def __init__(self, directory: Path, options: Options) -> None:
        invariants.refuse(nodes=options.nodes, version=options.version, cloud=options.cloud, tempo=options.tempo)
        self.directory = directory
        self.options = options
        self.stopping = threading.Event()
        self._stack = ExitStack()
        self._writing = threading.RLock()
        self._others: list[ProcessId] = []

    # --- life ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start everything; lab.json says ``ready`` when it is done. What was started ends when this fails."""
        with ExitStack() as stack:
            self._stack = stack
            self._build()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """End everything that was started, last first."""
        for other in self._others:
            process = other.find()
            if process is not None:
                process.terminate()
        self._stack.close()

    def run(self) -> None:
        """Wait until somebody ends the lab, or its directory is gone."""
        while not self.stopping.wait(1.0):
            if not self.directory.is_dir():
                return

    def _build(self) -> None:
        octet = self._claim()
        self.events = Events(self.directory / "log" / "events.jsonl")
        self._stack.callback(self.events.close)
        self.record = self._first_record(octet)
        self.write_record()
        self._seed()
        self._fabric_token = secrets.token_urlsafe(32)
        write_private(self.directory / "fabric.token", self._fabric_token)
        self.fabric = self._fabric(self.record.url, f"ssh://git@127.0.0.1:{self.record.ssh}")
        self._stack.callback(self.fabric.close)
        self.clusters = Clusters(self.options.cluster, self.fabric, self._fabric)
        self._stack.callback(self.clusters.close)
        desk = Desk(self)
        self.control = self._opened(Control(self.record.token, desk.handlers()))
        self.book = FaultBook(self.options.seed)
        self.storage = DirectoryStorage(self.directory)
        self.machines = self._machines()
        ground = Ground(self.directory, self.options, self.record, self.machines, self.storage, self.book)
        self.cloud = self._opened(CLOUDS[self.options.cloud](ground))
        self._opened(self.machines)
        self._connect()
        provider = self.cloud.provider()
        self._opened(Sampler(self.cloud.cpu, self.machines.pids))
        self.watch = self._opened(self._watch())
        self.events.on_event = self.watch.wake
        self._stack.callback(setattr, self.events, "on_event", lambda: None)
        self.balancer = self._opened(self._balancer())
        self.record = replace(
            self.record,
            ready=True,
            endpoint=self.cloud.url,
            provider=provider,
            control=self.control.url,
            archive_url=self.cloud.archive_url,
            variables=dict(self.cloud.environment()),
        )
        self.write_record()
        self.events.add("lab", "ready", {"octet": octet})

    def _opened(self, part: P) -> P:
        part.open()
        self._stack.callback(part.close)
        return part

    # --- parts ---------------------------------------------------------------------------------------------------

    def _claim(self) -> int:
        """Take the first free network 127.N.0.0/16 by holding an address in it for as long as the lab lives."""
        for octet in range(FIRST_OCTET, LAST_OCTET + 1):
            claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                claim.bind((f"127.{octet}.255.254", 7990))
            except OSError:
                claim.close()
                continue
            self._stack.callback(claim.close)
            return octet
        raise NoRoom(f"no network is free: labs hold all of 127.{FIRST_OCTET} to 127.{LAST_OCTET}")

    def _first_record(self, octet: int) -> Record:
        first = FRONTS + 10 * octet
        http = _free_port(first)
        return Record(
            daemon=ProcessId.of(psutil.Process().pid, "daemon"),
            octet=octet,
            http=http,
            ssh=_free_port(http + 1),
            token=secrets.token_urlsafe(32),
            access_key="AKIALAB" + secrets.token_hex(7).upper()[:13],
            password=secrets.token_urlsafe(15),
            bitbucket_token=f"BBDC-{secrets.token_urlsafe(33)}",
            passphrase=secrets.token_urlsafe(24),
            cluster=self.options.cluster,
            cloud=self.options.cloud,
            version=self.options.version,
            nodes=self.options.nodes,
        )

    def _seed(self) -> None:
        seed(
            self.directory / SEED / "shared",
            self.directory / SEED / "db" / FILE,
            admin_password=self.record.password,
            admin_token=self.record.bitbucket_token,
            repositories=self.options.repositories,
            chance=self.options.seed,
        )

    def _fabric(self, url: str, ssh_url: str) -> Fabric:
        options = self.options
        settings = replace(
            LAB_SETTINGS,
            boot_seconds=options.boot,
            collision_chance=0.0,
            terminate_seconds=options.stop,
            drain_seconds=options.drain,
            base_url=url,
            ssh_base_url=ssh_url,
        )
        return Fabric(settings, token=self._fabric_token, seed=options.seed)

    def _machines(self) -> ProcessMachines:
        write_private(self.directory / "control.token", self.record.token)
        site = Site(
            directory=self.directory / "instances",
            control=self.control.url,
            control_token=self.directory / "control.token",
            fabric=self.fabric.serve(),
            fabric_token=self.directory / "fabric.token",
            shared_home=self.directory / SEED / "shared",
            database=self.directory / SEED / "db" / FILE,
            grace=self.options.drain,
            stop_timeout=self.options.drain + 15,
        )
        return ProcessMachines(OperatingSystem(site, node_command))

    def _connect(self) -> None:
        """Let faults reach the machines, and every part tell what happens."""
        self.book.hands = DaemonHands(self.machines, self.fabric, self.cloud)
        self.machines.system.disk_full = self.book.disk_full
        self.machines.system.disks = self.storage
        self.machines.system.clusters = self.clusters
        self.storage.changed = self.machines.remount
        self.storage.still.writers = lambda: [*self.machines.pids().values(), *self.cloud.pids()]
        self.storage.still.around = self.clusters.standing_still
        self.machines.listener = self._machine_event
        self.cloud.listeners.append(lambda event, details: self.events.add(self.cloud.name, event, details))
        self.fabric.cluster.listener = self._both(self.fabric.cluster.listener)

    def _both(self, first: Callable[[float, str, str], None] | None) -> Callable[[float, str, str], None]:
        def listener(at: float, node: str, what: str) -> None:
            if first is not None:
                first(at, node, what)
            self.events.add("bitbucket", what, {"instance": node}, at)
            self._installed()

        return listener

    def _installed(self) -> None:
        """Let nodes that start together collide once all were ACTIVE: on a slow machine the first may be so early."""
        states = [node.state for node in self.fabric.cluster.nodes.values()]
        if states.count(State.ACTIVE) >= self.options.nodes:
            self.fabric.configure(collision_chance=LAB_SETTINGS.collision_chance)

    def _machine_event(self, event: str, details: dict[str, Any]) -> None:
        if event == "node-crashed":
            self.clusters.kill(str(details["instance"]))
        self.events.add("machine", event, details)
        self.write_record()

    def _watch(self) -> Watch:
        return Watch(
            self.cloud,
            self.fabric,
            cluster=self.options.cluster,
            planned=self.options.nodes,
            faults=lambda: [fault["name"] for fault in self.book.list()],
            broken=lambda breach: self.events.add("lab", "broken", {"name": breach.name, "text": breach.text}),
        )

    def _balancer(self) -> Keeper:
        path = self.directory / "balancer.json"
        token = str(self.directory / "control.token")
        # It is told who its parent is: one that is killed while the balancer starts would never be missed.
        write_json(path, {"control": self.control.url, "token_file": token, "parent": os.getpid()})
        command = [sys.executable, "-m", "lab.balancer", str(path)]
        unit = Unit(command, self.directory / "log" / "balancer.log", self.directory, stop_timeout=5.0)
        return Keeper("balancer", unit, self.write_record)

    # --- lab.json ------------------------------------------------------------------------------------------------

    def adopt(self, process: ProcessId) -> None:
        """Take in a process that belongs to the lab; it ends with it."""
        self._others.append(process)
        self.write_record()

    def write_record(self) -> None:
        """Write lab.json with the processes that run now."""
        with self._writing:
            self.record = replace(self.record, children=tuple(self._children()))
            self.record.write(self.directory)

    def _children(self) -> list[ProcessId]:
        pids = dict(self.machines.pids()) if hasattr(self, "machines") else {}
        if hasattr(self, "balancer") and self.balancer.unit.pid is not None:
            pids["balancer"] = self.balancer.unit.pid
        found = [one for one in self._others if one.find() is not None]
        for name, pid in pids.items():
            try:
                found.append(ProcessId.of(pid, name))
            except psutil.NoSuchProcess:
                continue  # it ended since it was listed
        return found


def _free_port(first: int) -> int:
    """Return the first free port from ``first`` on."""
    for port in range(first, first + 1000):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NoRoom(f"no port is free from {first} on")
