"""The one durable workflow: pass after pass until the roll is done, each pass a step that survives the process.

Three rules keep it safe; each was seen failing without it. (1) DBOS is launched only by a process that holds the
cluster's lock, under an executor id of that cluster: its start-up recovery is then the adoption of a dead process's
run. (2) A workflow is never cancelled: a step in flight would lose its output. (3) Nothing has an effect in
``finally``: a process that lost its right must stop, and do nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

from dbos import DBOS

from automation.adapters.runs.told import CONTROL, STANDING, STORY, Ended, Standing
from automation.core.roll import Ending, Memory, Message, Record, Step

Pass = Callable[[Memory, Sequence[Message]], Step]
"""One pass of the engine: observe, decide, act, record."""

PAUSED_WAIT = 3600.0
"""Seconds for which a paused run listens before it listens again; only a message ends a pause."""
MOST_RECOVERIES = 1_000_000
"""DBOS gives a workflow up after this many recoveries; a roll is never given up because its process was killed."""


class Released(BaseException):
    """This process no longer drives the run; whoever adopts it goes on from the last finished pass.

    A BaseException, as DBOS's own are: it leaves the workflow unfinished instead of failed.
    """


class Driver:
    """This process's side of a run: the injected pass, and what may stop it."""

    def __init__(self, pass_: Pass, *, is_held: Callable[[], bool]) -> None:
        self._pass = pass_
        self._is_held = is_held
        self.closing = Event()
        self.superseded: set[str] = set()
        """Ids of runs whose plan was replaced: their next pass ends them."""
        self.idle = Event()
        """Set while no workflow of this process is between two lines of its body."""
        self.idle.set()

    def check(self) -> None:
        """Raise Released when this process must not go on."""
        if self.closing.is_set() or not self._is_held():
            raise Released

    def is_superseded(self, run: str) -> bool:
        """Tell whether another plan has taken over from ``run``."""
        self.check()
        return run in self.superseded

    def advance(self, run: str, memory: Memory, messages: Sequence[Message]) -> Step | None:
        """Carry one pass out, None when the run was superseded."""
        return None if self.is_superseded(run) else self._pass(memory, messages)


class _Here:
    """The driver of this process; DBOS is one per process, and so is this."""

    driver: Driver | None = None


def install(driver: Driver | None) -> None:
    """Make ``driver`` the one that this process's workflow uses."""
    _Here.driver = driver


def _driver() -> Driver:
    if _Here.driver is None:
        raise Released
    return _Here.driver


@DBOS.step(name="pass")
def one_pass(run: str, memory: Memory, messages: tuple[Message, ...]) -> Step | None:
    """Carry one pass out; at least once, so the engine's acts are idempotent."""
    return _driver().advance(run, memory, messages)


@DBOS.step(name="superseded")
def is_superseded(run: str) -> bool:
    """Ask, as a recorded step: a replay must take the same turn."""
    return _driver().is_superseded(run)


@DBOS.workflow(name="roll", max_recovery_attempts=MOST_RECOVERIES)
def roll(memory: Memory, messages: tuple[Message, ...]) -> Ended:
    """Drive one run to its end; ``messages`` are what the first pass shall hear."""
    driver = _driver()
    driver.idle.clear()
    try:
        return _drive(str(DBOS.workflow_id), memory, messages)
    finally:
        driver.idle.set()  # tells only this process; rule 3 is about the world outside


def _drive(run: str, memory: Memory, messages: tuple[Message, ...]) -> Ended:
    told: Record | None = None
    standing = Standing()
    while True:
        step = one_pass(run, memory, messages)
        if step is None:
            return Ended(memory, None)
        memory = step.memory
        told = _tell(told, step.record)
        standing = _stand(standing, step)
        if step.outcome is None:
            messages = _listen(step.wait)
        elif step.outcome.ending is not Ending.PAUSED:
            return Ended(memory, step.outcome)
        elif not (messages := _listen_until_told(run)):
            return Ended(memory, None)


def _tell(told: Record | None, record: Record) -> Record:
    if not record.says_the_same_as(told):
        DBOS.write_stream(STORY, record)
    return record


def _stand(before: Standing, step: Step) -> Standing:
    is_pause = step.outcome is not None and step.outcome.ending is Ending.PAUSED
    pauses = before.pauses + is_pause  # after a pause only a word leads to another pass: each is a pause of its own
    now = Standing(step.memory.opened, step.outcome, pauses)
    if now != before:
        DBOS.set_event(STANDING, now)
    return now


def _listen(seconds: float) -> tuple[Message, ...]:
    """Wait, but not longer than a word from an operator takes."""
    message: Message | None = DBOS.recv(CONTROL, timeout_seconds=max(seconds, 0.0))
    _driver().check()
    return () if message is None else (message,)


def _listen_until_told(run: str) -> tuple[Message, ...]:
    """Wait, paused, for a word: the clock alone ends no pause. Nothing means that another plan took over."""
    while not (messages := _listen(PAUSED_WAIT)):
        if is_superseded(run):
            return ()
    return messages
