"""What the AWS world needs from the rest of the lab: machines, faults, and its timings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Timings:
    """How long things take, in seconds; the real cloud's are minutes."""

    pending: float = 0.3
    """From run_instances until the instance is ``running``."""
    launch: float = 0.5
    """From ``running`` until the group calls the instance InService (hooks come on top)."""
    shut_down: float = 0.3
    """Least time an instance is ``shutting-down``."""
    relaunch: float = 2.0
    """Between two tries of a launch that failed."""
    volume: float = 0.0
    """Until a new volume is ``available``."""
    attach: float = 0.0
    """From attach_volume to ``attached``, and from detach_volume until the volume is ``available``."""
    snapshot: float = 1.0
    """Until a volume snapshot is completed."""
    database: float = 0.0
    """Until a database instance, new or restored, is ``available``."""
    database_snapshot: float = 0.0
    """Until a database snapshot is ``available``."""
    database_snapshot_begins: float = 0.0
    """From create_db_snapshot until the copy is made and SnapshotCreateTime appears."""
    backing_up: float = 0.0
    """How long a database instance says ``backing-up`` after create_db_snapshot."""
    point_in_time_lag: float = 5.0
    """How far LatestRestorableTime is behind."""


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """An instance as the machine under it needs to know it."""

    id: str
    address: str
    zone: str
    instance_type: str
    image: str
    tags: Mapping[str, str]
    user_data: str
    """Decoded; empty when there is none."""

    @property
    def role(self) -> str:
        """Value of the tag ``bitbucket-dc:role``: node, file-server, or empty for a stranger's instance."""
        return self.tags.get("bitbucket-dc:role", "")


class Machines(Protocol):
    """What stands under EC2 instances. Calls come with the world's lock held: they must return quickly."""

    def launch(self, spec: MachineSpec) -> None:
        """Power the machine on."""
        ...

    def shut_down(self, instance: str) -> None:
        """Begin to power it off: SIGTERM, then SIGKILL after the time an operating system grants."""
        ...

    def start(self, instance: str) -> None:
        """Power a stopped machine on again."""
        ...

    def running(self, instance: str) -> bool:
        """Say whether the operating system is up (whatever Bitbucket does on it)."""
        ...

    def directory(self, instance: str) -> Path:
        """Return the machine's own directory; its ``bin`` goes first on PATH of commands run there."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the AWS API."""

    service: str
    action: str
    body: bytes
    """As sent: a form or JSON."""

    @property
    def reads(self) -> bool:
        """Whether it only asks, as far as its name tells."""
        return self.action.startswith(("Describe", "Get", "List", "GET ", "HEAD "))


@dataclass(frozen=True, slots=True)
class Reply:
    """An error to answer instead of the real thing."""

    status: int
    code: str
    message: str


class Faults(Protocol):
    """Where the world asks whether something should go wrong now."""

    def refuse(self, call: Call) -> Reply | None:
        """Answer instead of carrying out the call, such as a throttle."""
        ...

    def lose_reply(self, call: Call) -> bool:
        """Carry the call out, and cut the connection instead of answering."""
        ...

    def launch_error(self, zone: str) -> str | None:
        """Message with which a launch in this zone fails; None when it works."""
        ...

    def launch_failed(self, zone: str) -> None:
        """Hear that a launch failed for that reason."""
        ...

    def agent_lost(self, instance: str) -> bool:
        """Say whether the SSM agent of the machine is not connected."""
        ...

    def snapshot_fails(self, kind: str) -> bool:
        """Say whether this snapshot of a ``volume`` or ``database`` ends in an error; asked once for each."""
        ...

    def snapshot_delay(self) -> float:
        """Return the seconds that snapshots take longer."""
        ...

    def key_denied(self) -> bool:
        """Say whether this use of an encryption key is refused; asked once for each."""
        ...


class NoFaults:
    """Everything works."""

    def refuse(self, call: Call) -> Reply | None:  # noqa: ARG002 - the port's signature
        """Never."""
        return None

    def lose_reply(self, call: Call) -> bool:  # noqa: ARG002 - the port's signature
        """Never."""
        return False

    def launch_error(self, zone: str) -> str | None:  # noqa: ARG002 - the port's signature
        """Never."""
        return None

    def launch_failed(self, zone: str) -> None:
        """Nothing to count."""

    def agent_lost(self, instance: str) -> bool:  # noqa: ARG002 - the port's signature
        """Never."""
        return False

    def snapshot_fails(self, kind: str) -> bool:  # noqa: ARG002 - the port's signature
        """Never."""
        return False

    def snapshot_delay(self) -> float:
        """No longer than they take."""
        return 0.0

    def key_denied(self) -> bool:
        """Never."""
        return False


class Storage(Protocol):
    """What volumes and databases hold. Calls come with the world's lock held; names and ids are the cloud's.

    A snapshot of a database has a key ``REGION/IDENTIFIER``; a database's name is its identifier, in another region
    than the world's ``IDENTIFIER.REGION``.
    """

    def create_volume(self, volume: str, snapshot: str | None) -> None:
        """Make a volume: blank, or with exactly what the snapshot holds."""
        ...

    def delete_volume(self, volume: str) -> None:
        """Remove a volume."""
        ...

    def attach(self, volume: str, instance: str, device: str, *, home: bool) -> None:
        """Attach a volume; ``home``: it is the shared home of a file server."""
        ...

    def detach(self, volume: str, instance: str) -> None:
        """Detach a volume; what it holds stays."""
        ...

    def snapshot_volumes(self, wanted: Mapping[str, str], now: Callable[[], float]) -> float:
        """Copy volumes (snapshot -> volume) while nobody writes; return what ``now`` says at that moment.

        Raises:
            OSError: nothing was copied.
        """
        ...

    def copy_snapshot(self, source: str, target: str) -> None:
        """Copy a volume's snapshot."""
        ...

    def delete_snapshot(self, snapshot: str) -> None:
        """Remove a volume's snapshot; nothing happens when there is none."""
        ...

    def create_database(self, name: str) -> None:
        """Make a database."""
        ...

    def rename_database(self, old: str, new: str) -> None:
        """Give a database another name; what it holds stays."""
        ...

    def delete_database(self, name: str) -> None:
        """Remove a database."""
        ...

    def snapshot_database(self, name: str, key: str) -> None:
        """Copy a database as it is now. Raises OSError: nothing was copied."""
        ...

    def copy_database_snapshot(self, source: str, target: str) -> None:
        """Copy a database's snapshot."""
        ...

    def delete_database_snapshot(self, key: str) -> None:
        """Remove a database's snapshot; nothing happens when there is none."""
        ...

    def restore_database(self, key: str, name: str) -> None:
        """Make a database from a snapshot."""
        ...

    def restore_database_at(self, source: str, name: str, moment: float) -> None:
        """Make a database that is what another was at a moment, in seconds since the epoch."""
        ...


class NoStorage:
    """Volumes and databases that hold nothing, for whoever only looks at AWS."""

    def create_volume(self, volume: str, snapshot: str | None) -> None:
        """Nothing to make."""

    def delete_volume(self, volume: str) -> None:
        """Nothing to remove."""

    def attach(self, volume: str, instance: str, device: str, *, home: bool) -> None:
        """Nothing to mount."""

    def detach(self, volume: str, instance: str) -> None:
        """Nothing to unmount."""

    def snapshot_volumes(self, wanted: Mapping[str, str], now: Callable[[], float]) -> float:  # noqa: ARG002 - the port's signature
        """Nothing to copy."""
        return now()

    def copy_snapshot(self, source: str, target: str) -> None:
        """Nothing to copy."""

    def delete_snapshot(self, snapshot: str) -> None:
        """Nothing to remove."""

    def create_database(self, name: str) -> None:
        """Nothing to make."""

    def rename_database(self, old: str, new: str) -> None:
        """Nothing to rename."""

    def delete_database(self, name: str) -> None:
        """Nothing to remove."""

    def snapshot_database(self, name: str, key: str) -> None:
        """Nothing to copy."""

    def copy_database_snapshot(self, source: str, target: str) -> None:
        """Nothing to copy."""

    def delete_database_snapshot(self, key: str) -> None:
        """Nothing to remove."""

    def restore_database(self, key: str, name: str) -> None:
        """Nothing to restore."""

    def restore_database_at(self, source: str, name: str, moment: float) -> None:
        """Nothing to restore."""


class Clock(Protocol):
    """Seconds since the epoch; virtual in tests."""

    def now(self) -> float:
        """Return the time."""
        ...


@dataclass(slots=True)
class ManualClock:
    """A clock that moves only when told."""

    seconds: float = 1_700_000_000.0

    def now(self) -> float:
        """Return the time."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds``."""
        self.seconds += seconds
