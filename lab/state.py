"""What a lab is told (options.json) and what it says of itself (lab.json), and which processes are its own.

A process is known by its id *and* its time of creation, so that a reused id never leads to somebody else's process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

import psutil

from lab.files import read_json, write_json

OPTIONS, RECORD = "options.json", "lab.json"
SAME = 0.05
"""Seconds by which two readings of one process's creation may differ."""


def default_directory() -> Path:
    """Return the lab directory used when none is named: $BBDC_LAB_DIR, else under $XDG_STATE_HOME."""
    named = os.environ.get("BBDC_LAB_DIR")
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "bitbucket-dc" / "lab"


@dataclass(frozen=True, slots=True)
class Options:
    """How a lab is to be; durations in seconds.

    Attributes:
        cloud: ``aws`` or ``azure``.
        nodes: machines in the group.
        version: Bitbucket version to begin with.
        cluster: value of the cluster tag.
        tempo: how many times faster than declared health checks run.
        boot: from the start of a node's process until it is ACTIVE.
        stop: from the last finished task of a graceful stop until the process ends.
        drain: longest time that a graceful stop waits for tasks.
        repositories: repositories that are there from the beginning.
        snapshot: until a volume snapshot is completed.
        database_snapshot: until a database snapshot is available.
        seed: seed of whatever is left to chance.
    """

    cloud: str = "aws"
    nodes: int = 3
    version: str = "7.9.0"
    cluster: str = "bitbucket-dc-lab"
    tempo: float = 5.0
    boot: float = 4.0
    stop: float = 1.0
    drain: float = 30.0
    repositories: int = 24
    snapshot: float = 1.0
    database_snapshot: float = 1.0
    seed: int = 0

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read options.json. Raises OSError, ValueError or TypeError when it is not there or not right."""
        return cls(**read_json(directory / OPTIONS))

    def write(self, directory: Path) -> None:
        """Write options.json."""
        write_json(directory / OPTIONS, asdict(self))


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be mistaken for another."""

    pid: int
    created: float
    name: str = ""

    @classmethod
    def of(cls, pid: int, name: str = "") -> Self:
        """Look a process up. Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time(), name)

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < SAME and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


@dataclass(frozen=True, slots=True)
class Record:
    """lab.json: what runs. It holds secrets and has mode 0600.

    Attributes:
        daemon: the daemon's process.
        children: processes that the daemon started: node, balancer, traffic.
        ready: False while the daemon still starts.
        octet: the lab's network is 127.<octet>.0.0/16.
        endpoint: URL of the cloud's API.
        provider: port of the resource provider; 0 where there is none.
        control: URL of the control API.
        http, ssh: the balancer's front ports.
        token: bearer token of the control API.
        access_key, password, bitbucket_token: credentials inside the lab.
        cluster, cloud, version, nodes: as the options say.
        archive_url: where nodes fetch Bitbucket from.
        variables: with which the cloud's SDKs reach it.
    """

    daemon: ProcessId
    children: tuple[ProcessId, ...] = ()
    ready: bool = False
    octet: int = 0
    endpoint: str = ""
    provider: int = 0
    control: str = ""
    http: int = 0
    ssh: int = 0
    token: str = ""
    access_key: str = ""
    password: str = ""
    bitbucket_token: str = ""
    cluster: str = ""
    cloud: str = "aws"
    version: str = ""
    nodes: int = 0
    passphrase: str = ""
    archive_url: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Read lab.json; None when there is none."""
        with contextlib.suppress(FileNotFoundError):
            document = read_json(directory / RECORD)
            document["daemon"] = ProcessId(**document["daemon"])
            document["children"] = tuple(ProcessId(**child) for child in document["children"])
            known = {one.name for one in fields(cls)}
            return cls(**{name: value for name, value in document.items() if name in known})
        return None

    def write(self, directory: Path) -> None:
        """Write lab.json."""
        write_json(directory / RECORD, asdict(self))

    @property
    def url(self) -> str:
        """BITBUCKET_URL: the balancer's HTTP front."""
        return f"http://127.0.0.1:{self.http}"

    def alive(self) -> bool:
        """Say whether the daemon runs."""
        return self.daemon.find() is not None


def end(processes: Iterable[ProcessId], *, patience: float = 10.0) -> int:
    """End exactly these processes: SIGTERM, then SIGKILL after ``patience`` seconds; return how many there were."""
    found = [process for one in processes if (process := one.find()) is not None]
    _signal(found, "terminate")
    _, left = psutil.wait_procs(found, timeout=patience)
    _signal(left, "kill")
    psutil.wait_procs(left, timeout=patience)
    return len(found)


def _signal(processes: Sequence[psutil.Process], verb: str) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            getattr(process, verb)()
