"""What the AWS world needs from the rest of the lab: machines, faults, and its timings."""

from __future__ import annotations

from collections.abc import Mapping
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
    snapshot: float = 1.0
    """Until a volume snapshot is completed."""
    database: float = 0.0
    """Until a database instance or snapshot is ``available``."""


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
