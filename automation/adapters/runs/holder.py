"""The exclusive right to drive one cluster: a lock that the system drops when the process dies.

The lock is also the proof that whoever drove the cluster before is gone: that is what makes adopting an unfinished run
safe. SQLite: ``flock`` on a file. PostgreSQL: a session's advisory lock, with the holder in ``application_name``.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, Self

from automation.adapters.runs.store import Store
from automation.ports.errors import Conflict, Unreachable

if TYPE_CHECKING:
    import psycopg

LOOKS = 5
ROLL, BACKUP, RESTORE, DRILL = "roll", "backup", "restore", "drill"
"""What a cluster is held for."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who drives a cluster."""

    pid: int
    host: str
    since: float
    """Seconds since the epoch."""
    task: str = ROLL
    """What it does with it: one of ``roll``, ``backup``, ``restore`` and ``drill``."""

    @classmethod
    def me(cls, task: str = ROLL) -> Self:
        """Describe this process."""
        return cls(os.getpid(), socket.gethostname(), time.time(), task)

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, UTC)
        return f"process {self.pid} on {self.host}, since {since:%Y-%m-%d %H:%M:%S} UTC"


class Hold(Protocol):
    """A held right; ``release`` gives it back, the process's death does too."""

    def is_held(self) -> bool:
        """Tell whether the right is still ours: a lost connection loses it."""
        ...

    def release(self) -> None:
        """Give the right back."""
        ...


def hold(store: Store, cluster: str, task: str = ROLL) -> Hold:
    """Take the right to drive ``cluster``.

    Raises:
        Conflict: another process holds it; the message says which.
        Unreachable: the PostgreSQL database does not answer.
    """
    if store.database_url:
        return _SessionHold.take(store.database_url, cluster, task)
    return _FileHold.take(_lock_file(store, cluster), cluster, task)


def holder(store: Store, cluster: str) -> Holder | None:
    """Return who drives ``cluster`` now, None when nobody does. Looks only; takes nothing for longer than the look."""
    if store.database_url:
        with _connect(store.database_url, "bbdc status") as connection:
            return _session_holder(connection, cluster)
    path = _lock_file(store, cluster)
    if not path.exists():
        return None
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _read(path)
    return None


def refuse_if_held(store: Store, cluster: str) -> None:
    """Raise Conflict when some process drives ``cluster``; takes nothing."""
    if (who := holder(store, cluster)) is not None:
        raise _refusal(cluster, who)


def _lock_file(store: Store, cluster: str) -> Path:
    return store.state / "locks" / f"{digest(cluster)}.lock"


def digest(cluster: str) -> str:
    """Return a short name for ``cluster`` of lower-case letters and digits, for files and DBOS applications."""
    return sha256(cluster.encode()).hexdigest()[:16]


def _refusal(cluster: str, who: Holder | None) -> Conflict:
    if who is not None and who.task == BACKUP:
        hint = "wait for it, or end it with `bbdc backup cancel`; then try again"
        return Conflict(f"a backup holds cluster {cluster}: {who}", hint=hint)
    if who is not None and who.task in {RESTORE, DRILL}:
        return Conflict(f"a {who.task} holds cluster {cluster}: {who}", hint="wait for it, then try again")
    return Conflict(
        f"another run holds cluster {cluster}: {who or 'a process that has just begun or ended'}",
        hint="watch it with `bbdc status`, or end it with `bbdc abort`; then try again",
    )


class _FileHold:
    """``flock`` on a file that also says who holds it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls, path: Path, cluster: str, task: str) -> Self:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        if not _lock(file):
            file.close()
            raise _refusal(cluster, _read(path))
        file.truncate(0)
        file.write(json.dumps(asdict(Holder.me(task))))
        file.flush()
        return cls(file)

    def is_held(self) -> bool:
        return not self._file.closed

    def release(self) -> None:
        self._file.close()


def _lock(file: IO[str]) -> bool:
    """Try for half a second: a look at the lock (``holder``) holds it for a moment too."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            threading.Event().wait(0.1)
        else:
            return True
    return False


def _read(path: Path) -> Holder | None:
    """Read the holder's line; None in the moment between taking the lock and writing it."""
    with suppress(ValueError, TypeError):
        return Holder(**json.loads(path.read_text()))
    return None


class _SessionHold:
    """A PostgreSQL session's advisory lock; the session must be direct, or pgbouncer in session mode."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @classmethod
    def take(cls, url: str, cluster: str, task: str) -> Self:
        me = Holder.me(task)
        # application_name is cut at 63 bytes, so the host goes last.
        connection = _connect(url, f"{_program(task)} {me.pid} {me.since:.0f} {me.host}"[:63])
        row = connection.execute("select pg_try_advisory_lock(%s)", (_number(cluster),)).fetchone()
        if row and row[0]:
            return cls(connection)
        who = _session_holder(connection, cluster)
        connection.close()
        raise _refusal(cluster, who)

    def is_held(self) -> bool:
        import psycopg  # noqa: PLC0415 (as below)

        try:
            self._connection.execute("select 1")
        except psycopg.Error:
            return False
        return True

    def release(self) -> None:
        self._connection.close()


def _connect(url: str, application: str) -> psycopg.Connection:
    import psycopg  # noqa: PLC0415 (whoever keeps runs in a file need not wait for it)

    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        return psycopg.connect(
            plain,
            autocommit=True,
            application_name=application,
            connect_timeout=10,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
        )
    except psycopg.OperationalError as error:
        raise Unreachable(f"taking the lock in the runs' database failed: {error}") from error


def _program(task: str) -> str:
    """Return how PostgreSQL's list of sessions names a holder."""
    return "bbdc" if task == ROLL else f"bbdc-{task}"


def _number(cluster: str) -> int:
    """Return the advisory lock's number for ``cluster``: 63 bits of a digest."""
    return int.from_bytes(sha256(f"bbdc:{cluster}".encode()).digest()[:8]) >> 1


def _session_holder(connection: psycopg.Connection, cluster: str) -> Holder | None:
    high, low = divmod(_number(cluster), 1 << 32)
    row = connection.execute(
        "select a.application_name from pg_locks l join pg_stat_activity a using (pid)"
        " where l.locktype = 'advisory' and l.granted and l.classid::bigint = %s and l.objid::bigint = %s",
        (high, low),
    ).fetchone()
    words = str(row[0]).split(" ", 3) if row else []
    tasks = {_program(task): task for task in (ROLL, BACKUP)}
    if len(words) != 4 or words[0] not in tasks:
        return None
    return Holder(int(words[1]), words[3], float(words[2]), tasks[words[0]])
