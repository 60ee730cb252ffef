"""Runs steps: announces them, records them in the checkpoint, counts them, stops everything at the first failure."""

import threading
from collections import Counter
from collections.abc import Callable

from lab.pulumi.checkpoint import PendingOperation
from lab.pulumi.errors import Cancelled, CheckFailed, Interrupted, StepFailed
from lab.pulumi.events import EventBus, step_metadata
from lab.pulumi.goals import Goal
from lab.pulumi.snapshot import Snapshot
from lab.pulumi.state import State
from lab.pulumi.steps import Refresh, Step, World
from lab.pulumi.urns import is_default_provider
from lab.pulumi.values import PropertyValue, hidden

Hook = Callable[[Step, State | None, str], None]


class Executor:
    """Carries out an update's steps, from many threads.

    Attributes:
        changes: how many logical steps of each kind succeeded.
        errors: what failed, in order.
        step_failed: a step itself failed, not only its planning.
    """

    def __init__(self, world: World, snapshot: Snapshot, events: EventBus, parallel: int) -> None:
        """Act on a world.

        Args:
            world: providers and mode.
            snapshot: where results are recorded.
            events: where they are announced.
            parallel: how many steps may run at a time.
        """
        self.world = world
        self.changes: Counter[str] = Counter()
        self.errors: list[StepFailed] = []
        self.step_failed = False
        self.hooks: list[Hook] = []
        self._snapshot = snapshot
        self._events = events
        self._slots = threading.BoundedSemaphore(max(parallel, 1))
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._running = 0
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether no further step may start."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Start no further step."""
        self._stopped.set()

    def fail(self, error: StepFailed) -> None:
        """Report a failure and start no further step."""
        with self._lock:
            self.errors.append(error)
        self._stopped.set()
        self._events.diagnostic("error", str(error), error.urn)

    def refuse(self, goal: Goal, error: CheckFailed) -> None:
        """Report each input that the provider refused."""
        with self._lock:
            self.errors.append(error)
        self._stopped.set()
        for prop, reason in error.failures:
            where = f": property {prop} value {{{_shown(goal.inputs.get(prop))}}}" if prop else ""
            message = f"{goal.type} resource '{goal.name}'{where} has a problem: {reason}"
            self._events.diagnostic("error", message, error.urn)

    def run_chain(self, steps: list[Step]) -> State | None:
        """Run steps one after the other.

        Returns:
            The last state a step resulted in.

        Raises:
            Cancelled: a step failed, here or elsewhere, or the run is being cancelled.
        """
        result: State | None = None
        for step in steps:
            made = self.run(step)
            result = made if made is not None else result
        return result

    def run(self, step: Step) -> State | None:
        """Run one step; its resulting state.

        Raises:
            Cancelled: it failed, or no further step may start.
        """
        with self._lock:
            if self.stopped:
                raise Cancelled("the update is stopping")
            self._running += 1
        try:
            return self._carry_out(step)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def drain(self) -> None:
        """Wait for the steps that are under way."""
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0)

    def _carry_out(self, step: Step) -> State | None:
        self._events.before(self._metadata(step, step.new))
        operation = self._operation(step)
        self._snapshot.begin(operation)
        try:
            with self._slots:
                result = self._apply(step)
        except StepFailed as error:
            (self._snapshot.interrupt if isinstance(error, Interrupted) else self._snapshot.end)(operation)
            self._events.failed(self._metadata(step, step.new))
            self.step_failed = True
            self.fail(StepFailed(str(error), error.urn or _urn(step)))
            raise Cancelled(str(error)) from error
        self._record(step, result, operation)
        return result

    def _apply(self, step: Step) -> State | None:
        for hook in self.hooks:
            hook(step, step.new, "before")
        result = step.apply(self.world)
        for hook in self.hooks:
            hook(step, result, "after")
        return result

    def _operation(self, step: Step) -> PendingOperation | None:
        state = step.new or step.old
        if not step.pending or state is None or not state.custom or state.is_provider or self.world.preview:
            return None
        return PendingOperation(state, step.pending)

    def _record(self, step: Step, result: State | None, operation: PendingOperation | None) -> None:
        self._snapshot.end(operation, step.edit(result))
        with self._lock:
            self.changes.update(_counted(step, result))
        state = result or step.new or step.old
        if state is not None and (state.custom or step.op in {"refresh", "delete"}):
            self._events.after(self._metadata(step, result or step.new))

    def _metadata(self, step: Step, new: State | None) -> dict[str, object]:
        return step_metadata(step.op, step.old, new, step.diff, logical=step.logical)


def _shown(value: PropertyValue) -> str:
    """An input as an error message may show it."""
    return str(hidden(value)) if value is not None else ""


def _urn(step: Step) -> str:
    state = step.new or step.old
    return state.urn if state else ""


def _counted(step: Step, result: State | None) -> list[str]:
    """The kinds a finished step counts as: none for markers of replacements, default providers and unchanged reads."""
    if is_default_provider(_urn(step)):
        return []
    if isinstance(step, Refresh):
        return [step.outcome]
    if step.op == "read":
        changed = step.old is not None and result is not None and step.old.outputs != result.outputs
        return ["read"] if changed else []
    return [step.op] if step.logical else []
