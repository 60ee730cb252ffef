"""A table of sealed values in the store's database: one row each, the newest value, on disk when a write returns.

One statement is one transaction (SQLite with ``synchronous=FULL``; PostgreSQL by its own default).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Generic, TypeVar

import sqlalchemy
from sqlalchemy import Boolean, Column, Connection, Float, MetaData, String, Table, Text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from automation.adapters.runs.store import Store
from automation.ports.errors import Unavailable, Unexpected

T = TypeVar("T")


class SealedTable(Generic[T]):
    """Values of one type by key and cluster.

    Args:
        store: whose database and seal are used; nothing is opened before the first call.
        name: the table's name.
        key: name of the column that, with the cluster, tells rows apart.
        kind: type of the values.
        what: what the table is, for errors: ``the journal of backups``.
    """

    def __init__(self, store: Store, name: str, key: str, kind: type[T], what: str) -> None:
        self._store, self._kind, self._what = store, kind, what
        self._table = Table(
            name,
            MetaData(),
            Column(key, String(255), primary_key=True),
            Column("cluster", String(255), primary_key=True),
            Column("over", Boolean, nullable=False),
            Column("created", Float, nullable=False),
            Column("memory", Text, nullable=False),
        )
        self._key = self._table.c[key]
        self._upsert = sqlalchemy.text(  # understood by SQLite and PostgreSQL alike
            f"INSERT INTO {name} ({key}, cluster, over, created, memory)"  # noqa: S608 (both names are constants of ours)
            " VALUES (:key, :cluster, :over, :created, :memory)"
            f" ON CONFLICT ({key}, cluster) DO UPDATE SET over = excluded.over, memory = excluded.memory"
        )

    def put(self, value: T, *, key: str, cluster: str, over: bool, created: float) -> None:
        """Store the newest value of a row durably.

        Raises:
            Unavailable: the database did not take it: disk full, locked for long, or away.
        """
        row = {"key": key, "cluster": cluster, "over": over, "created": created}
        row["memory"] = self._store.seal.serialize(value)
        with self._connected(f"writing {self._what}") as connection:
            connection.execute(self._upsert, row)

    def unfinished(self, cluster: str) -> tuple[T, ...]:
        """Return the values that are not over, oldest first.

        Raises:
            Forbidden: another key sealed one.
        """
        table = self._table.c
        wanted = sqlalchemy.select(table.memory).where(table.cluster == cluster, table.over.is_(False))
        return self._read(wanted.order_by(table.created, self._key))

    def latest(self, cluster: str, limit: int) -> tuple[T, ...]:
        """Return the newest values, newest first."""
        table = self._table.c
        wanted = sqlalchemy.select(table.memory).where(table.cluster == cluster)
        return self._read(wanted.order_by(table.created.desc(), self._key.desc()).limit(limit))

    def close(self) -> None:
        """Close the connections that were opened."""
        if "_engine" in self.__dict__:
            self._engine.dispose()
            del self.__dict__["_engine"]

    @cached_property
    def _engine(self) -> sqlalchemy.Engine:
        engine = self._store.engine()
        with engine.begin() as connection:
            connection.execute(CreateTable(self._table, if_not_exists=True))
        return engine

    def _read(self, wanted: sqlalchemy.Select[Any]) -> tuple[T, ...]:
        with self._connected(f"reading {self._what}") as connection:
            return tuple(self._opened(text) for text in connection.execute(wanted).scalars())

    def _opened(self, text: str) -> T:
        value = self._store.seal.deserialize(text)
        if not isinstance(value, self._kind):
            raise Unexpected(f"{self._what} holds a {type(value).__name__}")
        return value

    @contextmanager
    def _connected(self, doing: str) -> Iterator[Connection]:
        """Give a transaction; its errors show the database's own words, never the statement's values."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            hint = "check the disk's space and the directory BBDC_STATE, or the database behind BBDC_DATABASE_URL"
            raise Unavailable(f"{doing} failed: {error.orig}", hint=hint) from None
