"""What the daemon asks of a cloud, whichever it is: one world that answers calls, its traffic, its provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.data.storage import DirectoryStorage
from lab.faults import FaultBook
from lab.machines import ProcessMachines
from lab.state import Options, Record

TICK = 0.1
"""Seconds between two looks of a world at the clock."""
MOMENT = 0.2
"""Seconds that a volume takes to be made, attached or detached."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a cloud stands on.

    Attributes:
        directory: the lab's directory.
        options, record: how the lab was asked for; its keys and ports.
        machines, storage, faults: what is under the cloud's instances, disks and databases; what goes wrong.
    """

    directory: Path
    options: Options
    record: Record
    machines: ProcessMachines
    storage: DirectoryStorage
    faults: FaultBook


class Routes(Protocol):
    """The balancer's routing table."""

    def wait(self, after: int, seconds: float) -> dict[str, Any]:
        """Return the table once it is newer than ``after``, or after so many seconds."""
        ...


class Cloud(Protocol):
    """One cloud of a lab. ``open`` it before anything else; every function takes the world's lock by itself."""

    @property
    def name(self) -> str:
        """As ``--cloud`` has it."""
        ...

    @property
    def lock(self) -> threading.RLock:
        """Held while anything in the world changes."""
        ...

    @property
    def listeners(self) -> list[Callable[[str, dict[str, Any]], None]]:
        """Told of every event, under the lock: its name and details."""
        ...

    def open(self) -> None:
        """Start to serve; what a lab has from the beginning is there afterwards."""
        ...

    def close(self) -> None:
        """Stop."""
        ...

    @property
    def url(self) -> str:
        """Where its API is."""
        ...

    @property
    def routes(self) -> Routes:
        """The balancer's routing table."""
        ...

    def environment(self) -> Mapping[str, str]:
        """Return the variables with which its SDKs, and ours, reach it; secrets among them."""
        ...

    @property
    def archive_url(self) -> str:
        """Where nodes fetch Bitbucket from, with ``{version}``."""
        ...

    def provider(self) -> int:
        """Start the resource provider; return its port. It ends with the cloud."""
        ...

    def pids(self) -> Sequence[int]:
        """Return the processes of commands that run on machines."""
        ...

    def report(self, line: Mapping[str, Any]) -> None:
        """Take in what the balancer found of one target."""
        ...

    def targets(self) -> list[dict[str, Any]]:
        """Return every target as ``bbdc lab status`` shows it."""
        ...

    def desired(self, cluster: str) -> int:
        """Return how many nodes the group of a cluster wants."""
        ...

    def serving(self) -> int:
        """Return how many targets of the HTTP pool are registered and healthy."""
        ...

    def reach(self, host: str, user: str, password: str) -> str:
        """Return what storage calls the database behind an address.

        Raises:
            ConnectionError: nothing answers there.
            PermissionError: user or password are wrong.
        """
        ...

    def keep_databases_busy(self, state: str, seconds: float) -> bool:
        """Let every available database be in another state for a while; say whether there was one."""
        ...

    def fail_operations(self, service: str, action: str, times: int, seconds: float) -> bool:
        """Let the next long-running operations fail after a while; False where the cloud has none."""
        ...

    def keep_disks(self, *, keep: bool) -> bool:
        """Let machines that are reimaged show the same disk as before, or another one; False where none is."""
        ...

    def cpu(self, figures: Mapping[str, float]) -> None:
        """Record percentages, by machine."""
        ...

    def machine_token(self, machine: str, resource: str, client: str) -> Mapping[str, str]:
        """Return a token of a machine's own identity, as the metadata service answers.

        Raises:
            LookupError: the machine has no such identity, or the cloud no such tokens.
        """
        ...

    def machine_access(self) -> Mapping[str, str]:
        """Return what programs on a machine need to reach the cloud as that machine."""
        ...
