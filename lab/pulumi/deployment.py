"""One run of the engine on one stack: registrations come in, steps go out."""

import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from lab.pulumi.config import ConfigValue
from lab.pulumi.deletions import delete_all, needed_by_protected, require_dependents, split
from lab.pulumi.errors import Cancelled, CheckFailed, EngineError, StepFailed
from lab.pulumi.events import EventBus, step_metadata
from lab.pulumi.executor import Executor
from lab.pulumi.goals import Goal
from lab.pulumi.planner import Planner
from lab.pulumi.plugins import DYNAMIC
from lab.pulumi.providers import INTERNAL, InvokeResult
from lab.pulumi.registry import BUILTIN, ProviderRegistry, reference
from lab.pulumi.snapshot import Edit, Snapshot
from lab.pulumi.state import State, timestamp
from lab.pulumi.steps import Read, Refresh
from lab.pulumi.targets import Targets
from lab.pulumi.urns import PROVIDER_PREFIX, STACK_TYPE, make_urn
from lab.pulumi.values import UNKNOWN, PropertyMap, make_secret


def provider_inputs(package: str, version: str, config: Mapping[str, ConfigValue]) -> PropertyMap:
    """What the default provider of a package is configured with.

    The dynamic provider gets the stack's whole configuration, others the keys of their own namespace.
    """
    inputs: PropertyMap = {}
    for key, value in config.items():
        namespace, _, name = key.partition(":")
        if package in {DYNAMIC, namespace}:
            inputs[key if package == DYNAMIC else name] = make_secret(value.text) if value.secret else value.text
    if version:
        inputs["version"] = version
    return inputs if package in {DYNAMIC, BUILTIN} else {**inputs, INTERNAL: {}}


@dataclass(slots=True)
class Deployment:
    """The state of a run.

    Attributes:
        config: the stack's configuration.
        planner: decides on steps.
        executor: runs them.
        snapshot: the checkpoint in the making.
        registry: the providers.
        events: where everything is announced.
        targets: what may be touched.
        parallel: how many steps run at a time.
        root: URN of the stack resource, once registered.
        states: results of this run by URN.
    """

    config: Mapping[str, ConfigValue]
    planner: Planner
    executor: Executor
    snapshot: Snapshot
    registry: ProviderRegistry
    events: EventBus
    targets: Targets
    parallel: int
    root: str = ""
    states: dict[str, State] = field(default_factory=dict)
    _defaults: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def preview(self) -> bool:
        """Whether nothing is changed."""
        return self.executor.world.preview

    # Registrations

    def register(self, goal: Goal) -> State:
        """Bring one resource to its goal.

        Raises:
            Cancelled: it failed, or the run is stopping.
        """
        if self.executor.stopped:
            raise Cancelled("the update is stopping")
        try:
            plan = self.planner.plan(goal)
        except CheckFailed as refused:
            self.executor.refuse(goal, CheckFailed(refused.failures, self.planner.urn(goal)))
            raise Cancelled(str(refused)) from refused
        except StepFailed as error:
            self.executor.fail(StepFailed(str(error), error.urn or self.planner.urn(goal)))
            raise Cancelled(str(error)) from error
        if plan.skipped is not None:
            return plan.skipped
        return self._finished(plan.urn, self.executor.run_chain(plan.steps))

    def _finished(self, urn: str, state: State | None) -> State:
        if state is None:
            raise EngineError(f"the steps of '{urn}' led to no state")
        with self._lock:
            self.states[urn] = state
        return state

    def read(self, goal: Goal, identity: str) -> State:
        """Look up a resource that the program does not own.

        Raises:
            Cancelled: it failed, or the run is stopping.
        """
        urn = self.planner.urn(goal)
        try:
            self.planner.claim(urn)
        except StepFailed as error:
            self.executor.fail(error)
            raise Cancelled(str(error)) from error
        old = self.planner.recorded(urn)
        new = goal.state(urn, old).with_(id=identity, external=True, property_dependencies={})
        op = "read" if old is None or old.external else "read-replacement"
        return self._finished(urn, self.executor.run(Read(new, old, op=op)))

    def set_outputs(self, urn: str, outputs: PropertyMap) -> None:
        """Record what a component registers as its outputs; the stack's replace the former ones."""
        with self._lock:
            state = self.states.get(urn)
            if state is None:
                raise StepFailed(f"outputs for '{urn}', which is not registered", urn)
            kept = {} if state.type == STACK_TYPE else state.outputs
            updated = state.with_(outputs={**kept, **outputs})
            self.states[urn] = updated
        self.snapshot.end(None, Edit(swap=(state, updated)))
        old = self.planner.recorded(urn)
        self.events.after(step_metadata("same" if old else "create", old, updated, None, logical=True))

    def invoke(self, provider: str, token: str, arguments: PropertyMap) -> InvokeResult:
        """Call a provider's function.

        Raises:
            StepFailed: it failed.
        """
        return self.registry.get(provider).invoke(token, arguments, preview=self.preview)

    # Providers

    def default_provider(self, package: str, version: str) -> str:
        """The reference of a package's default provider, registered at first use."""
        name = "default" + (f"_{re.sub(r'[^a-zA-Z0-9]', '_', version)}" if version else "")
        kind = PROVIDER_PREFIX + package
        urn = make_urn(self.planner.stack, self.planner.project, "", kind, name)
        with self._lock:
            lock = self._defaults.setdefault(urn, threading.Lock())
        with lock:
            if urn not in self.states:
                self.register(Goal(kind, name, True, provider_inputs(package, version, self.config)))
        return reference(urn, self.states[urn].id)

    def find_state(self, urn: str) -> State | None:
        """A resource as it is now: of this run, or as recorded."""
        with self._lock:
            if urn in self.states:
                return self.states[urn]
        return next((state for state in self.snapshot.all() if state.urn == urn), None)

    # Whole operations

    def refresh(self, *, confirmed: bool, count: bool) -> None:
        """Bring the records in line with the world.

        Args:
            confirmed: forget interrupted creates.
            count: the refresh is the operation itself, not its first part.
        """
        recorded = self.snapshot.old()
        with ThreadPoolExecutor(max(self.parallel, 1), thread_name_prefix="refresh") as pool:
            left = [state for state in pool.map(self._refresh_one, recorded) if state is not None]
        self.snapshot.rebase(_without_dangling(left, recorded), confirmed=confirmed)
        self.planner.reindex()
        if not count:
            self.executor.changes.clear()

    def _refresh_one(self, state: State) -> State | None:
        if self.targets.limited and state.urn not in self.targets:
            return state
        return self.executor.run(Refresh(state))

    def delete_unregistered(self) -> None:
        """After the program: delete what it no longer wants, and what has been replaced."""
        seen = self.planner.registered
        candidates = [state for state in self.snapshot.old() if state.delete or state.urn not in seen]
        waiting = [s for s in self.snapshot.old() if s.pending_replacement and s.urn in seen]
        doomed, _ = split(candidates, self.targets)
        delete_all([*doomed, *waiting], self.executor, self.parallel)

    def destroy(self, *, exclude_protected: bool = False) -> None:
        """Delete everything that is targeted.

        Args:
            exclude_protected: leave alone what is protected, and what that needs.
        """
        recorded = self.snapshot.old()
        doomed, staying = split(recorded, self.targets.widened(recorded))
        kept = needed_by_protected(doomed) if exclude_protected else set[str]()
        staying += [state for state in doomed if state.urn in kept]
        doomed = [state for state in doomed if state.urn not in kept]
        try:
            require_dependents(doomed, staying)
        except StepFailed as error:
            self.executor.fail(error)
            raise Cancelled(str(error)) from error
        delete_all(doomed, self.executor, self.parallel)
        self.executor.changes["same"] += len([s for s in staying if not s.is_provider])
        if not self.executor.changes["same"]:
            del self.executor.changes["same"]


def _without_dangling(left: list[State], recorded: list[State]) -> list[State]:
    """Drop references to resources that a refresh has found gone."""
    gone = {state.urn for state in recorded} - {state.urn for state in left}
    if not gone:
        return left
    return [_without(state, gone) if gone & set(state.referenced()) else state for state in left]


def _without(state: State, gone: set[str]) -> State:
    def keep(urns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(urn for urn in urns if urn not in gone)

    by_property = {key: keep(urns) for key, urns in state.property_dependencies.items()}
    return state.with_(
        dependencies=keep(state.dependencies),
        property_dependencies=by_property,
        deleted_with="" if state.deleted_with in gone else state.deleted_with,
        modified=timestamp(),
    )


def visible_id(state: State) -> str:
    """A resource's id as the program sees it: unknown ids read as none."""
    return "" if state.id == UNKNOWN else state.id
