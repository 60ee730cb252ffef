"""Durable runs: begin or continue the one open run of a cluster, and wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Self

from dbos import DBOS, SetWorkflowID
from sqlalchemy import Engine

from automation.adapters.runs import workflow
from automation.adapters.runs.holder import Hold, digest, hold
from automation.adapters.runs.reader import Run, RunId, RunReader, RunState, sequence
from automation.adapters.runs.store import Store
from automation.adapters.runs.workflow import Driver, Pass
from automation.core.roll import Ending, Memory, Message, MessageKind, Outcome, Plan, Record
from automation.ports.clock import Clock
from automation.ports.errors import Conflict, Unexpected

LOOK = 0.2
"""Seconds between two looks at a run that is waited for."""
FORMAT = "1"
"""Version of what is stored; a run of another version is not continued."""


class Runs:
    """Drives the runs of one cluster from this process; a context manager.

    Entering takes the cluster's lock (Conflict names who holds it); leaving stops driving: an unfinished run stays as
    it is, and the next process goes on with it.

    Args:
        store: where runs are kept.
        cluster: the one cluster that this process drives.
        pass_: one pass of the engine.
        begin: makes a run's first memory from its plan.
        clock: for waiting.
    """

    def __init__(
        self, store: Store, cluster: str, pass_: Pass, *, clock: Clock, begin: Callable[[Plan], Memory] = Memory
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._pass = pass_
        self._begin = begin
        self._clock = clock
        self._reader = RunReader(store)
        self._hold: Hold | None = None
        self._driver: Driver | None = None
        self._is_launched = False
        self._database: Engine | None = None
        self._pauses: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._store.prepare()
        self._hold = hold(self._store, self._cluster)
        self._driver = Driver(self._pass, is_held=self._hold.is_held)
        workflow.install(self._driver)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_launched:
            self._stop()
        workflow.install(None)
        self._reader.close()
        if self._hold is not None:
            self._hold.release()

    def open(self, plan: Plan) -> RunId:
        """Begin a run of ``plan``, or go on with the unfinished one of the same target.

        An unfinished run of another target ends as superseded first: that is how a rollback takes over.
        """
        if plan.cluster != self._cluster:
            raise Conflict(f"this process drives {self._cluster}, not {plan.cluster}")
        latest = self._reader.latest(self._cluster)
        if latest is not None and latest.state.is_open:
            if latest.plan.target == plan.target:
                return self._continue(latest, plan.by)
            self._supersede(latest)
        self._launch()
        return self._start(self._first_memory(plan, latest), 1 + (sequence(latest.id) if latest else 0))

    def adopt(self, run: str, by: str) -> RunId:
        """Go on with the run, or, when it has ended without success, with a new one from its memory."""
        found = self._reader.get(run)
        return self.open(replace(found.plan, by=by))

    def wait(
        self, run: str, until: Literal["opened", "finished"], on_record: Callable[[Record], None] | None = None
    ) -> Outcome | None:
        """Wait until the upgrade is open, or until the run ends or pauses; returns its outcome, if it has one.

        Raises:
            Unexpected: the run failed: a defect, never the estate's trouble.
            Conflict: another plan took over.
        """
        told = 0
        while True:
            found = self._reader.get(run)
            for record in self._reader.records(run, told):
                told += 1
                if on_record is not None:
                    on_record(record)
            if (outcome := self._outcome(found)) is not None:
                return outcome
            if until == "opened" and found.standing.opened:
                return None
            self._clock.sleep(LOOK)

    def send(self, run: str, message: Message) -> None:
        """Tell the run an operator's word."""
        self._reader.send(run, message)

    def _outcome(self, found: Run) -> Outcome | None:
        if found.state is RunState.FAILED:
            raise Unexpected(f"run {found.id} failed: {found.problem}", hint="`bbdc report` shows how far it came")
        if found.state is RunState.SUPERSEDED:
            raise Conflict(f"another plan took over from run {found.id}", hint="`bbdc status` shows the one that runs")
        outcome = found.outcome
        if outcome is None or outcome.ending is not Ending.PAUSED:
            # The workflow's end is stored a moment after its outcome; the run is over only then.
            return None if found.state.is_open else outcome
        return outcome if found.standing.pauses > self._pauses.get(found.id, 0) else None

    def _continue(self, run: Run, by: str) -> RunId:
        self._pauses[run.id] = run.standing.pauses
        if run.state is RunState.PAUSED:
            self._reader.send(run.id, Message(MessageKind.RESUME, by))
        self._launch()
        return run.id

    def _supersede(self, run: Run) -> None:
        """End the run before its next pass; it does nothing more, in this process or after adoption."""
        self._running_driver().superseded.add(run.id)
        self._reader.send(run.id, None)
        self._launch()
        while self._reader.get(run.id).state.is_open:
            self._clock.sleep(LOOK)

    def _first_memory(self, plan: Plan, latest: Run | None) -> Memory:
        """Return the memory to begin with: after a defect the last one, else a new one."""
        if latest is not None and latest.state is RunState.FAILED and latest.plan.target == plan.target:
            before = self._reader.memory(latest.id)
            return self._begin(plan) if before is None else replace(before, paused=False)
        return self._begin(plan)

    def _start(self, memory: Memory, number: int) -> RunId:
        run = RunId(f"{self._cluster}:{number}")
        with SetWorkflowID(run):
            DBOS.start_workflow(workflow.roll, memory, ())
        return run

    def _running_driver(self) -> Driver:
        if self._driver is None:
            raise Conflict("runs are opened inside `with Runs(...)`")
        return self._driver

    def _launch(self) -> None:
        """Start DBOS; its start-up recovery adopts what a dead holder of this cluster's lock left."""
        if self._is_launched:
            return
        self._running_driver()
        self._database = self._store.engine()
        DBOS(
            config={
                "name": f"bbdc-{digest(self._cluster)}",
                "executor_id": self._cluster,
                "application_version": f"{FORMAT}-{digest(self._cluster)}",  # unique in the database, as DBOS demands
                "system_database_engine": self._database,
                "serializer": self._store.serializer,
                "notification_listener_polling_interval_sec": 0.05,
                "log_level": "ERROR",
            }
        )
        DBOS.launch()
        self._is_launched = True

    def _stop(self) -> None:
        """Stop driving: wake a waiting workflow so that it sees the closing, and wait until none is active."""
        driver = self._running_driver()
        driver.closing.set()
        for run in self._reader.runs(self._cluster):
            if run.state.is_open:
                self._reader.send(run.id, None)
        driver.idle.wait()
        DBOS.destroy()
        if self._database is not None:
            self._database.dispose()  # DBOS leaves an engine that it was given to its giver
        self._is_launched = False
