"""Long-running operations: what they wait for, how they end, and how clients ask after them.

What an operation does is a generator: it yields what must come true before it goes on, and returns the result. An
``ArmError`` that it raises makes it Failed.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial

from lab.azure.errors import ArmError
from lab.azure.messages import Json

Condition = Callable[[], bool]
Steps = Generator[Condition, None, Json | None]

_log = logging.getLogger(__name__)

RUNNING, SUCCEEDED, FAILED, CANCELED = "InProgress", "Succeeded", "Failed", "Canceled"


@dataclass(slots=True, eq=False)
class Operation:
    """One operation.

    Attributes:
        place: path of its resource, without host and query.
        steps: what it does.
        on_failure: undoes what a failure leaves behind.
        doom: an error that ends it once ``doomed`` says so, in place of its next step.
    """

    place: str
    steps: Steps
    begun: float
    on_failure: Callable[[], None] = lambda: None
    doom: ArmError | None = None
    doomed: Condition = lambda: True
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = RUNNING
    result: Json | None = None
    error: ArmError | None = None
    ended: float | None = None
    _waiting: Condition = lambda: True
    _stepping: bool = False

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status != RUNNING

    def advance(self, now: float) -> bool:
        """Go on as far as possible; return whether anything happened.

        Nothing does while another thread is in the middle of a step, which lets go of the world's lock to copy.
        """
        moved = False
        while not (self.over or self._stepping) and self._ready():
            moved = True
            if self.doom is None:
                self._step(now)
            else:
                self.steps.close()
                self._fail(now, self.doom)
        return moved

    def cancel(self, now: float, error: ArmError) -> None:
        """End it at somebody else's bidding."""
        if not self.over:
            self.steps.close()
            self._end(now, CANCELED, error)

    def wire(self) -> Json:
        """Return it as Azure-AsyncOperation shows it."""
        found: Json = {"name": self.id, "startTime": iso(self.begun), "status": self.status}
        if self.ended is not None:
            found["endTime"] = iso(self.ended)
        if self.error is not None:
            found["error"] = self.error.wire()
        if self.result is not None:
            found["properties"] = {"output": self.result}
        return found

    def _ready(self) -> bool:
        return self.doomed() if self.doom is not None else self._waiting()

    def _step(self, now: float) -> None:
        self._stepping = True
        try:
            self._waiting = next(self.steps)
        except StopIteration as end:
            self.result = end.value
            self._end(now, SUCCEEDED, None)
        except ArmError as error:
            self._fail(now, error)
        except Exception as error:  # noqa: BLE001 - who polls must learn of the end, whatever it stumbled over
            _log.exception("the operation on %s failed", self.place)
            self._fail(now, ArmError(500, "InternalExecutionError", f"An internal execution error occurred: {error}."))
        finally:
            self._stepping = False

    def _fail(self, now: float, error: ArmError) -> None:
        self._end(now, FAILED, error)
        self.on_failure()

    def _end(self, now: float, status: str, error: ArmError | None) -> None:
        self.status, self.error, self.ended = status, error, now


@dataclass(slots=True)
class Operations:
    """Every operation that was ever begun; those under way in the order of their beginning."""

    known: dict[str, Operation] = field(default_factory=dict)
    going: list[Operation] = field(default_factory=list)

    def begin(self, operation: Operation, now: float) -> Operation:
        """Take an operation in and let it do its first step."""
        self.known[operation.id] = operation
        operation.advance(now)
        if not operation.over:
            self.going.append(operation)
        return operation

    def advance(self, now: float) -> bool:
        """Let all go on until none can; return whether anything happened."""
        moved = False
        while [operation for operation in list(self.going) if operation.advance(now)]:
            moved = True
            self.going = [operation for operation in self.going if not operation.over]
        return moved


def iso(seconds: float) -> str:
    """Return a time as Azure writes it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="microseconds")


def seconds_of(text: str) -> float:
    """Return a time that a client wrote, in seconds since the epoch. Raises ValueError when it is none."""
    found = dt.datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()


def _any(conditions: list[Condition]) -> bool:
    return any(condition() for condition in conditions)


def together(parts: list[Steps]) -> Steps:
    """Do several things at the same time; it ends with the last, and fails with the first that failed."""
    waiting: list[tuple[Steps, Condition]] = [(part, lambda: True) for part in parts]
    trouble: ArmError | None = None
    while waiting:
        left: list[tuple[Steps, Condition]] = []
        for part, ready in waiting:
            try:
                left.append((part, next(part) if ready() else ready))
            except StopIteration:
                continue
            except ArmError as error:
                trouble = trouble or error
        waiting = left
        if waiting:
            conditions = [ready for _, ready in waiting]
            yield partial(_any, conditions)
    if trouble is not None:
        raise trouble
    return None
