"""The file backend's lock: one update at a time on a stack.

A lock is a file under .pulumi/locks/organization/<project>/<stack>/, as the genuine command line writes it, so that
both respect each other's. Ours adds the process's time of birth: a lock whose process is dead is taken over.
"""

import fcntl
import getpass
import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.pulumi.errors import StackLocked
from lab.pulumi.processes import birth, is_alive, own_birth


@dataclass(frozen=True, slots=True)
class LockRecord:
    """What a lock file says about its holder."""

    pid: int
    username: str
    hostname: str
    timestamp: str
    created: float | None

    @classmethod
    def read(cls, path: Path) -> "LockRecord | None":
        """The record, or None when the file vanished or holds nothing sensible."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                int(document["pid"]),
                str(document.get("username", "")),
                str(document.get("hostname", "")),
                str(document.get("timestamp", "")),
                document.get("processCreated"),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def described(self) -> str:
        """Who holds it, in the genuine command line's words."""
        return f"created by {self.username}@{self.hostname} (pid {self.pid}) at {self.timestamp}"

    def abandoned(self) -> bool:
        """Whether the holder is known to be dead; a holder on another host never is."""
        if self.hostname != socket.gethostname():
            return False
        if self.created is not None:
            return not is_alive(self.pid, self.created)
        started = birth(self.pid)
        return started is None or started > _seconds(self.timestamp) + 1


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return float("inf")


def _own_record() -> str:
    return json.dumps(
        {
            "pid": os.getpid(),
            "username": getpass.getuser(),
            "hostname": socket.gethostname(),
            "timestamp": datetime.now(UTC).isoformat(timespec="microseconds"),
            "processCreated": own_birth(),
        }
    )


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Serialise the engine's own look-then-write; the lock is on the directory itself, it leaves no file."""
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _living(directory: Path) -> list[tuple[Path, LockRecord | None]]:
    found = []
    for path in sorted(directory.glob("*.json")):
        record = LockRecord.read(path)
        if record is not None and record.abandoned():
            path.unlink(missing_ok=True)
        else:
            found.append((path, record))
    return found


_LOCKED = (
    "the stack is currently locked by {count} lock(s). Either wait for the other process(es) to end or delete the lock "
    "file with `pulumi cancel`."
)


def _refusal(held: list[tuple[Path, LockRecord | None]]) -> StackLocked:
    lines = [_LOCKED.format(count=len(held))]
    for path, record in held:
        lines.append(f"  file://{path}{f': {record.described()}' if record else ''}")
    return StackLocked("\n".join(lines))


@contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Hold a stack's lock.

    Args:
        directory: the stack's lock directory.

    Raises:
        StackLocked: a living process holds it.
    """
    path = directory / f"{uuid.uuid4()}.json"
    with _exclusive(directory):
        held = _living(directory)
        if held:
            raise _refusal(held)
        path.write_text(_own_record(), encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def is_held(directory: Path) -> bool:
    """Whether a living process holds the lock."""
    return directory.is_dir() and bool(_living(directory))


def release_all(directory: Path) -> int:
    """Remove every lock, whoever holds it; how many there were."""
    paths = list(directory.glob("*.json")) if directory.is_dir() else []
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
