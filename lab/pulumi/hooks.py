"""Resource hooks: functions of the program that run before and after steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import resource_pb2

from lab.pulumi.callbacks import Callbacks
from lab.pulumi.errors import StepFailed
from lab.pulumi.state import State
from lab.pulumi.steps import Create, Delete, Step, Update
from lab.pulumi.urns import name_of, type_of
from lab.pulumi.values import plain
from lab.pulumi.wire import to_struct


def _point(step: Step, phase: str) -> str:
    """Which hooks of a resource a step calls: `before_create` and the like; empty for none."""
    for kind, verb in ((Create, "create"), (Update, "update"), (Delete, "delete")):
        if isinstance(step, kind):
            return f"{phase}_{verb}"
    return ""


@dataclass(slots=True)
class Hooks:
    """The hooks that the program has registered.

    Attributes:
        callbacks: reaches the program.
        preview: only hooks that ask for it run.
        warn: takes (message, URN) of failures that do not stop anything.
    """

    callbacks: Callbacks
    preview: bool
    warn: Callable[[str, str], None]
    _registered: dict[str, Any] = field(default_factory=dict)

    def register(self, request: Any) -> None:
        """Remember a hook by its name.

        Raises:
            StepFailed: the name is taken.
        """
        if request.name in self._registered:
            raise StepFailed(f"resource hook already registered for name '{request.name}'")
        self._registered[request.name] = request

    @property
    def any(self) -> bool:
        """Whether the program has registered one: then it must be kept running until everything is deleted."""
        return bool(self._registered)

    def run(self, step: Step, result: State | None, phase: str) -> None:
        """Call the hooks of a step.

        Args:
            step: what is done.
            result: what it led to; for `before`, what is intended.
            phase: `before` or `after`.

        Raises:
            StepFailed: a hook that runs before the step failed: the step must not run.
        """
        state = step.new or step.old
        point = _point(step, phase)
        if state is None or not point:
            return
        for name in state.hooks.get(point, ()):
            self._run(name, step, state, result, phase)

    def _run(self, name: str, step: Step, state: State, result: State | None, phase: str) -> None:
        hook = self._registered.get(name)
        if hook is None:
            self.warn(
                f"resource hook '{name}' is not registered: the program does not run in this operation", state.urn
            )
            return
        if self.preview and not hook.on_dry_run:
            return
        problem = self._invoke(hook, step, state, result)
        if not problem:
            return
        if phase == "before" and not hook.ignore_errors:
            raise StepFailed(f"{phase} hook '{name}' failed: {problem}", state.urn)
        self.warn(f"{phase} hook '{name}' failed: {problem}", state.urn)

    def _invoke(self, hook: Any, step: Step, state: State, result: State | None) -> str:
        old, new = step.old, result
        request = resource_pb2.ResourceHookRequest(
            urn=state.urn,
            id=(result or state).id,
            name=name_of(state.urn),
            type=type_of(state.urn),
            new_inputs=to_struct(plain(new.inputs)) if new else None,
            old_inputs=to_struct(plain(old.inputs)) if old else None,
            new_outputs=to_struct(plain(new.outputs)) if new else None,
            old_outputs=to_struct(plain(old.outputs)) if old else None,
        )
        try:
            answer = self.callbacks.invoke(hook.callback, request.SerializeToString())
        except StepFailed as error:
            return str(error)
        return str(resource_pb2.ResourceHookResponse.FromString(answer).error)
