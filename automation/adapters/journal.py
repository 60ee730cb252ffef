"""The journal of backups in the store's database (``ports.journal.Journal``): one row a set, sealed.

A row is written before every act that relies on it, under the lock too: one statement, one transaction, on disk when it
returns (SQLite with ``synchronous=FULL``; PostgreSQL by its own default).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy
from sqlalchemy import Boolean, Column, Connection, Float, MetaData, String, Table, Text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from automation.adapters.runs.store import Store
from automation.core.backups.memory import Memory
from automation.ports.errors import Unavailable, Unexpected

_TABLE = Table(
    "bbdc_backups",
    MetaData(),
    Column("set_id", String(255), primary_key=True),
    Column("cluster", String(255), primary_key=True),
    Column("over", Boolean, nullable=False),
    Column("created", Float, nullable=False),
    Column("memory", Text, nullable=False),
)
_UPSERT = sqlalchemy.text(
    "INSERT INTO bbdc_backups (set_id, cluster, over, created, memory)"
    " VALUES (:set_id, :cluster, :over, :created, :memory)"
    " ON CONFLICT (set_id, cluster) DO UPDATE SET over = excluded.over, memory = excluded.memory"
)
"""Understood by SQLite and PostgreSQL alike."""


class StoredJournal:
    """Implements ``ports.journal.Journal``."""

    def __init__(self, store: Store) -> None:
        """Take the store whose database and seal are used; nothing is opened before the first call."""
        self._store = store

    def write(self, memory: Memory) -> None:
        """Store the newest memory of a set durably.

        Raises:
            Unavailable: the database did not take it: disk full, locked for long, or away.
        """
        row = {
            "set_id": memory.backup.id,
            "cluster": memory.backup.cluster,
            "over": memory.is_over,
            "created": memory.backup.created,
            "memory": self._store.seal.serialize(memory),
        }
        with self._connected("writing the journal of backups") as connection:
            connection.execute(_UPSERT, row)

    def unfinished(self, cluster: str) -> tuple[Memory, ...]:
        """Return the newest memory of every set that never ended, oldest first.

        Raises:
            Forbidden: another key sealed one.
        """
        wanted = sqlalchemy.select(_TABLE.c.memory).where(_TABLE.c.cluster == cluster, _TABLE.c.over.is_(False))
        return self._read(wanted.order_by(_TABLE.c.created, _TABLE.c.set_id))

    def newest(self, cluster: str, limit: int = 10) -> tuple[Memory, ...]:
        """Return the newest entries, newest first."""
        wanted = sqlalchemy.select(_TABLE.c.memory).where(_TABLE.c.cluster == cluster)
        return self._read(wanted.order_by(_TABLE.c.created.desc(), _TABLE.c.set_id.desc()).limit(limit))

    def close(self) -> None:
        """Close the connections that were opened."""
        if "_engine" in self.__dict__:
            self._engine.dispose()
            del self.__dict__["_engine"]

    @cached_property
    def _engine(self) -> sqlalchemy.Engine:
        engine = self._store.engine()
        with engine.begin() as connection:
            connection.execute(CreateTable(_TABLE, if_not_exists=True))
        return engine

    def _read(self, wanted: sqlalchemy.Select[Any]) -> tuple[Memory, ...]:
        with self._connected("reading the journal of backups") as connection:
            return tuple(self._opened(text) for text in connection.execute(wanted).scalars())

    def _opened(self, text: str) -> Memory:
        memory = self._store.seal.deserialize(text)
        if not isinstance(memory, Memory):
            raise Unexpected(f"the journal of backups holds a {type(memory).__name__}")
        return memory

    @contextmanager
    def _connected(self, doing: str) -> Iterator[Connection]:
        """Give a transaction; its errors show the database's own words, never the statement's values."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            hint = "check the disk's space and the directory BBDC_STATE, or the database behind BBDC_DATABASE_URL"
            raise Unavailable(f"{doing} failed: {error.orig}", hint=hint) from None
