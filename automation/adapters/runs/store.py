"""Where runs are kept: a SQLite file by default, PostgreSQL when several machines share the work."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy import event

from automation.adapters.seal import Seal, load_key
from automation.ports.errors import Unreachable

if TYPE_CHECKING:
    from dbos import DBOSClient

    from automation.adapters.runs.sealed import Sealed

BUSY_MILLISECONDS = 30_000
"""How long a writer waits for another one; SQLite's own default of 5 s is too short on a slow disk."""


@dataclass(frozen=True)
class Store:
    """The place of all runs of one state directory, or of one PostgreSQL database."""

    state: Path
    """Directory of this product's own state; made with mode 0700."""
    database_url: str | None = field(default=None, repr=False)
    """``postgresql://...``; None keeps runs in ``state/runs.sqlite``."""

    @property
    def file(self) -> Path | None:
        """The SQLite file, None with PostgreSQL."""
        return None if self.database_url else self.state / "runs.sqlite"

    @property
    def exists(self) -> bool:
        """False while no run was ever stored in the SQLite file; with PostgreSQL only asking tells."""
        return self.file is None or (self.file.exists() and self.file.stat().st_size > 0)

    @cached_property
    def seal(self) -> Seal:
        """The seal of this store's values."""
        self.prepare()
        return Seal(load_key(self.state))

    @cached_property
    def serializer(self) -> Sealed:
        """The same seal, as DBOS takes it."""
        from automation.adapters.runs.sealed import Sealed  # noqa: PLC0415 (DBOS takes 0.4 s; backups do without)

        self.prepare()
        return Sealed(load_key(self.state))

    def prepare(self) -> None:
        """Make the directory and the file, closed to others, before any library opens them."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.file is not None:
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))

    def engine(self) -> sqlalchemy.Engine:
        """Return a new connection pool.

        SQLite runs in WAL mode with ``synchronous=FULL``: as durable as its default, and twice as fast. SQLite
        creates the files beside the database with the database's own mode.
        """
        self.prepare()
        if self.database_url:
            return sqlalchemy.create_engine(_with_driver(self.database_url), pool_pre_ping=True)
        pool = sqlalchemy.create_engine(f"sqlite:///{self.file}")
        event.listen(pool, "connect", _configure_sqlite)
        return pool

    def client(self) -> DBOSClient:
        """Return a client that reads and sends, and never runs work.

        Raises:
            Unreachable: the PostgreSQL database does not answer.
        """
        from dbos import DBOSClient  # noqa: PLC0415 (as above)

        logging.getLogger("dbos").setLevel(logging.CRITICAL)  # what it would log here, the error below says
        try:
            return DBOSClient(system_database_engine=self.engine(), serializer=self.serializer)
        except sqlalchemy.exc.OperationalError as error:
            place = sqlalchemy.make_url(self.database_url or f"sqlite:///{self.file}").render_as_string()
            raise Unreachable(f"opening the runs in {place} failed: {error.orig}") from error


def _with_driver(url: str) -> str:
    """Name the driver that DBOS brings, where the URL leaves it open."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def _configure_sqlite(connection: object, _record: object) -> None:
    # IMMEDIATE: a transaction takes the write lock when it begins, so it can never fail half-way on an upgrade of it.
    connection.isolation_level = "IMMEDIATE"  # type: ignore[attr-defined]  # sqlite3.Connection, untyped in the event
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_MILLISECONDS}",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # as above
