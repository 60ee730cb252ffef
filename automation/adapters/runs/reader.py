"""The read side: what other processes, and other commands, can know of a run and say to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Self

import sqlalchemy

from automation.adapters.runs.holder import ROLL, Holder, holder
from automation.adapters.runs.store import Store
from automation.adapters.runs.told import CONTROL, STANDING, STORY, Ended, Standing
from automation.core.roll import Ending, Memory, Message, Outcome, Plan, Record
from automation.ports.errors import NotFound

if TYPE_CHECKING:
    from dbos import DBOSClient, WorkflowStatus

RunId = NewType("RunId", str)
"""``<cluster>:<sequence>``."""


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    """Its process is gone; the next ``upgrade`` or ``pulumi up`` goes on with it."""
    UPGRADED = "upgraded"
    ROLLED_BACK = "rolled back"
    SUPERSEDED = "superseded"
    """Another plan took over."""
    FAILED = "failed"
    """The program itself failed; the next run begins from its last memory."""

    @property
    def is_open(self) -> bool:
        """True while the run may still do something."""
        return self in {RunState.RUNNING, RunState.PAUSED, RunState.INTERRUPTED}

    @property
    def is_done(self) -> bool:
        """True when the run reached what it set out for."""
        return self in {RunState.UPGRADED, RunState.ROLLED_BACK}


@dataclass(frozen=True, slots=True)
class Run:
    """One run as others see it."""

    id: RunId
    plan: Plan
    state: RunState
    standing: Standing
    updated: float
    """Seconds since the epoch of the last change of state."""
    holder: Holder | None = None
    problem: str = ""
    """What failed, of a failed run."""

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended or paused, None while it goes on."""
        return self.standing.outcome


def sequence(run: str) -> int:
    """Return the number in a run's id."""
    return int(run.rpartition(":")[2])


def cluster_of(run: str) -> str:
    """Return the cluster in a run's id."""
    return run.rpartition(":")[0]


class RunReader:
    """Reads runs and sends words to them; never runs anything. Also used beside a running DBOS."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._opened: DBOSClient | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.destroy()
            self._opened._sys_db.engine.dispose()  # noqa: SLF001 (the client leaves a given engine to its giver)
            self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def runs(self, cluster: str | None = None) -> tuple[Run, ...]:
        """Return all runs of ``cluster``, or of all clusters, oldest first."""
        found = [self._describe(status) for status in self._statuses(f"{cluster}:" if cluster else None)]
        mine = [run for run in found if cluster in (None, cluster_of(run.id))]
        return tuple(sorted(mine, key=lambda run: (cluster_of(run.id), sequence(run.id))))

    def latest(self, cluster: str) -> Run | None:
        """Return the newest run of ``cluster``, None when there never was one."""
        runs = self.runs(cluster)
        return runs[-1] if runs else None

    def latest_id(self, cluster: str) -> RunId | None:
        """Return only the id of the newest run: cheap enough to ask twice a second."""
        with self._readable() as client:
            if client is None:
                return None
            found = client.list_workflows(
                name="roll", workflow_id_prefix=f"{cluster}:", load_input=False, load_output=False
            )
        ids = [status.workflow_id for status in found if cluster_of(status.workflow_id) == cluster]
        return RunId(max(ids, key=sequence)) if ids else None

    def get(self, run: str) -> Run:
        """Return one run.

        Raises:
            NotFound: there is no such run.
        """
        for status in self._statuses(run):
            if status.workflow_id == run:
                return self._describe(status)
        raise NotFound(f"there is no run {run}", hint="`bbdc runs` lists them")

    def records(self, run: str, after: int = 0) -> tuple[Record, ...]:
        """Return the run's records from number ``after`` on (0 = all); returns at once."""
        with self._readable() as client:
            if client is None:
                return ()
            from dbos import error as dbos_error  # noqa: PLC0415 (as in the store)

            found: list[Record] = []
            try:
                for record in client.read_stream(run, STORY, offset=after, timeout_seconds=0):
                    found.append(record)  # noqa: PERF402 (keeps what came before the time-out that ends a live stream)
            except dbos_error.DBOSStreamTimeoutError:
                pass
            except dbos_error.DBOSNonExistentWorkflowError:
                return ()  # it has not begun: whoever follows it asks again
            return tuple(found)

    def memory(self, run: str) -> Memory | None:
        """Return the memory that the run's last finished pass left, None before the first."""
        with self._readable() as client:
            if client is None:
                return None
            steps = client.list_workflow_steps(run)
            left = [step["output"] for step in steps if step["function_name"] == "pass" and step["output"]]
            return left[-1].memory if left else None

    def send(self, run: str, message: Message | None) -> None:
        """Tell the run a word; None only wakes it.

        Raises:
            NotFound: there is no such run.
        """
        self.get(run)
        self._client().send(run, message, topic=CONTROL)

    def _client(self) -> DBOSClient:
        if self._opened is None:
            self._opened = self._store.client()
        return self._opened

    @contextmanager
    def _readable(self) -> Iterator[DBOSClient | None]:
        """Give the client, or None while nothing was ever stored: then there are no tables either."""
        yield self._client() if self._store.exists and self._has_tables() else None

    def _has_tables(self) -> bool:
        database = self._client()._sys_db.engine  # noqa: SLF001 (our own engine; the client has no name for it)
        schema = "dbos" if self._store.database_url else None
        return sqlalchemy.inspect(database).has_table("workflow_status", schema=schema)

    def _statuses(self, prefix: str | None) -> list[WorkflowStatus]:
        with self._readable() as client:
            if client is None:
                return []
            return client.list_workflows(name="roll", workflow_id_prefix=prefix)

    def _describe(self, status: WorkflowStatus) -> Run:
        run = RunId(status.workflow_id)
        memory: Memory = status.input["args"][0] if status.input else _missing(run)
        standing = self._standing(run)
        who = holder(self._store, cluster_of(run))
        if who is not None and who.task != ROLL:
            who = None  # a backup: it holds the cluster, and drives no run
        return Run(
            id=run,
            plan=memory.plan,
            state=_state(status, standing, who),
            standing=standing,
            updated=(status.updated_at or 0) / 1000,
            holder=who,
            problem=str(status.error or ""),
        )

    def _standing(self, run: str) -> Standing:
        standing: Standing | None = self._client().get_event(run, STANDING, timeout_seconds=0)
        return standing or Standing()


def _missing(run: str) -> Memory:
    raise NotFound(f"run {run} was stored without its plan", hint="it was made by another version of this program")


def _state(status: WorkflowStatus, standing: Standing, who: Holder | None) -> RunState:
    if status.status == "SUCCESS":
        return _ended(status.output)
    if status.status not in {"PENDING", "ENQUEUED"}:
        return RunState.FAILED
    if standing.outcome is not None and standing.outcome.ending is Ending.PAUSED:
        return RunState.PAUSED
    return RunState.RUNNING if who else RunState.INTERRUPTED


def _ended(left: Ended | None) -> RunState:
    return RunState.SUPERSEDED if left is None or left.outcome is None else RunState(left.outcome.ending.value)
