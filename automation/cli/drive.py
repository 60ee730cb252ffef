"""Carry a roll out and show it: through the Pulumi program that owns the estate, or directly."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path

from pulumi.automation import EngineEvent

from automation.adapters.pulumi.stack import EstateStack, UpdateFailed
from automation.adapters.runs.reader import RunReader, RunState
from automation.cli.board import LOOK, Board
from automation.cli.exit_codes import Stopped
from automation.core.roll import Ending, Outcome
from automation.ports import errors
from automation.ports.errors import BbdcError
from automation.rolling import Estate, Rolling

GRACE = 60.0
"""Seconds that an interrupted ``pulumi`` has to end by itself."""


def directly(rolling: Rolling, target: str, board: Board) -> tuple[str, Outcome]:
    """Roll from this process; returns the run and its outcome."""
    with rolling:
        run = rolling.start(target)
        outcome = rolling.wait(run, "finished", lambda record: board.record(run, record))
    if outcome is None:
        raise errors.Unexpected(f"run {run} finished without an outcome")
    return run, outcome


def through_pulumi(stack: EstateStack, estate: Estate, board: Board) -> tuple[str | None, Outcome | None]:
    """Run the program's own ``up`` and show what its run does; returns the run, if there was one, and its outcome."""
    update = _Update(stack, board)
    with RunReader(estate.store) as reader:
        tail = _Tail(reader, estate.cluster, board)
        update.start()
        try:
            while not update.done.wait(LOOK):
                tail.look()
        except KeyboardInterrupt:
            update.interrupt()
            tail.look()
            raise
        tail.look()
        return _result(reader, tail, update.error)


class _Update:
    """``pulumi up`` in a thread of its own."""

    def __init__(self, stack: EstateStack, board: Board) -> None:
        self._stack = stack
        self._board = board
        self.done = threading.Event()
        self.error: BbdcError | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="pulumi-up", daemon=True).start()

    def interrupt(self) -> None:
        """Let ``pulumi`` end: a terminal's Ctrl-C has reached it already, another signal has not."""
        if not _in_foreground():
            for child in _children():
                os.kill(child, signal.SIGINT)
        self.done.wait(GRACE)

    def _run(self) -> None:
        try:
            self._stack.up(self._tell)
        except BbdcError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 (handed to the main thread, which reports it)
            self.error = errors.Unexpected(f"updating stack {self._stack.name} failed: {type(error).__name__}: {error}")
        finally:
            self.done.set()

    def _tell(self, event: EngineEvent) -> None:
        step = event.resource_pre_event
        if step is None or step.metadata.type.startswith("pulumi:providers:"):
            return
        operation = str(getattr(step.metadata.op, "value", step.metadata.op))
        if operation != "same":
            self._board.note(f"pulumi: {operation} {step.metadata.urn.rpartition('::')[2]}")


class _Tail:
    """Follows the newest run of the cluster from now on, whichever it comes to be."""

    def __init__(self, reader: RunReader, cluster: str, board: Board) -> None:
        self._reader = reader
        self._cluster = cluster
        self._board = board
        self.before = reader.latest(cluster)
        self._told = {} if self.before is None else {self.before.id: len(reader.records(self.before.id))}

    def look(self) -> None:
        latest = self._reader.latest_id(self._cluster)
        if latest is None:
            return
        for record in self._reader.records(latest, self._told.get(latest, 0)):
            self._told[latest] = self._told.get(latest, 0) + 1
            self._board.record(latest, record)


def _result(reader: RunReader, tail: _Tail, error: BbdcError | None) -> tuple[str | None, Outcome | None]:
    run = reader.latest(tail._cluster)  # noqa: SLF001 (two halves of one module)
    is_ours = run is not None and (tail.before is None or run.id != tail.before.id or tail.before.state.is_open)
    if run is not None and is_ours and run.state is RunState.PAUSED and run.outcome is not None:
        return run.id, run.outcome
    if error is not None:
        raise _as_ours(error)
    return (run.id, run.outcome) if run is not None and is_ours else (None, None)


_NAMED = re.compile(r"automation\.[\w.]+\.(\w+): (.+)")
_PROBLEM = re.compile(r"has a problem: (\w+): (.+)")


def _as_ours(error: BbdcError) -> BbdcError:
    """Return the error that a resource's provider raised, where Pulumi's text names one of ours."""
    if not isinstance(error, UpdateFailed):
        return error
    if problem := _PROBLEM.search(error.message):
        return errors.Refused(problem[1], f"refused by {problem[1]}: {problem[2]}")
    named = _NAMED.search(error.message)
    kind = getattr(errors, named[1], None) if named else None
    if named is None or kind is None or not issubclass(kind, BbdcError):
        return error
    if kind is errors.Refused:
        return errors.Refused(named[2].partition(":")[0], named[2])
    made: BbdcError = kind(named[2])
    return made


def raise_if_paused(run: str | None, outcome: Outcome | None, target: str) -> None:
    """Raise when a roll stopped with a named reason."""
    if run is not None and outcome is not None and outcome.ending is Ending.PAUSED:
        raise Stopped(
            outcome,
            run,
            hint=f"put that right, then `bbdc upgrade {target}` goes on from there; `bbdc rollback` brings it back",
        )


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # no terminal, or standard input is closed
        return False


def _children() -> list[int]:
    """Return this process's own children."""
    listed = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return [int(child) for line in listed for child in line.split()]
