"""Decides which steps bring one resource from its recorded state to the program's goal.

One registration is planned at a time; planning asks providers to check and compare, it never changes anything.
"""

import hashlib
import os
import threading
from dataclasses import dataclass, field

from lab.pulumi.aliases import former_urns
from lab.pulumi.diff import Changes, Diff, changed_keys, decide_unknown
from lab.pulumi.errors import StepFailed
from lab.pulumi.goals import Goal
from lab.pulumi.paths import covers, keep_old
from lab.pulumi.replacements import dependents_to_replace
from lab.pulumi.snapshot import Snapshot
from lab.pulumi.state import State
from lab.pulumi.steps import Create, Delete, Import, Replace, Same, Step, Update, World
from lab.pulumi.targets import Targets
from lab.pulumi.urns import STACK_TYPE, is_default_provider, make_urn, split_reference
from lab.pulumi.values import PropertyMap


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one registration.

    Attributes:
        urn: the resource.
        steps: in order; empty when the resource is left out by --target.
        skipped: what the program is told about a resource that is left out.
    """

    urn: str
    steps: list[Step]
    skipped: State | None = None


@dataclass(slots=True)
class Planner:
    """Plans registrations, one at a time.

    Attributes:
        stack: the stack's name.
        project: the project's name.
        world: providers to ask.
        snapshot: what is recorded.
        targets: what may be touched.
        registered: URNs the program has asked for.
    """

    stack: str
    project: str
    world: World
    snapshot: Snapshot
    targets: Targets
    registered: set[str] = field(default_factory=set)
    _former: dict[str, str] = field(default_factory=dict)
    _recorded: dict[str, State] = field(default_factory=dict)
    _deleted: dict[str, State] = field(default_factory=dict)
    _left_out: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Index what is recorded."""
        self.reindex()

    def reindex(self) -> None:
        """Read the recorded states again, after a refresh or a renaming."""
        self._recorded = {state.urn: state for state in self.snapshot.old() if not state.delete}

    def recorded(self, urn: str) -> State | None:
        """The state before this run, under the resource's present URN."""
        return self._recorded.get(urn)

    def urn(self, goal: Goal) -> str:
        """The goal's URN."""
        return make_urn(self.stack, self.project, goal.parent, goal.type, goal.name)

    def claim(self, urn: str) -> None:
        """Take a URN for this run.

        Raises:
            StepFailed: the program has registered it already.
        """
        with self._lock:
            if urn in self.registered:
                raise StepFailed(f"Duplicate resource URN '{urn}'; try giving it a unique name", urn)
            self.registered.add(urn)

    def plan(self, goal: Goal) -> Plan:
        """The steps for a registration.

        Raises:
            StepFailed: it cannot be done; nothing was changed.
        """
        urn = self.urn(goal)
        self.claim(urn)
        with self._lock:
            old = self._find(goal, urn)
            if self._untargeted(urn, goal):
                return self._leave(goal, urn, old)
            self._require_targeted(goal, urn)
            return Plan(urn, self._steps(goal, urn, old))

    # What is recorded

    def _find(self, goal: Goal, urn: str) -> State | None:
        if urn in self._recorded:
            return self._recorded[urn]
        for former in former_urns(goal, self.stack, self.project, self._former):
            if former in self._recorded and former not in self.registered:
                self._former[urn] = former
                self.snapshot.rename(former, urn)
                self.reindex()
                return self._recorded[urn]
        return None

    # Targets

    def _untargeted(self, urn: str, goal: Goal) -> bool:
        if not self.targets.limited or goal.type == STACK_TYPE or is_default_provider(urn):
            return False
        return urn not in self.targets and (urn in self._recorded or goal.custom)

    def _leave(self, goal: Goal, urn: str, old: State | None) -> Plan:
        if old is not None:
            return Plan(urn, [Same(old, old)])
        self._left_out.add(urn)
        return Plan(urn, [], goal.state(urn, None))

    def _require_targeted(self, goal: Goal, urn: str) -> None:
        missing = self._left_out & set(goal.state(urn, None).referenced())
        if missing:
            raise StepFailed(
                f"Resource '{urn}' depends on '{min(missing)}' which was not specified in --target list.", urn
            )

    # Steps

    def _steps(self, goal: Goal, urn: str, old: State | None) -> list[Step]:
        new = goal.state(urn, old)
        if not new.custom:
            return [_component_step(old, new)]
        deleted = self._deleted.get(urn) or (old if old is not None and old.pending_replacement else None)
        if old is not None and deleted is None:
            new = new.with_(inputs=keep_old(new.inputs, old.inputs, goal.ignore_changes))
        seed = hashlib.sha256(urn.encode() + os.urandom(16)).digest()
        if goal.import_id and _needs_import(goal, old):
            return [self._import(goal, old, new)]
        owned = old is not None and deleted is None and not old.external and not self.targets.must_replace(urn)
        checked = self._check(new, old.inputs if owned and old is not None else None, seed)
        if deleted is not None:
            return [
                Replace(deleted, checked),
                Create(checked, deleted, op="create-replacement", logical=False),
            ]
        if old is None or old.external:
            return [Create(checked, gone=old)]
        return self._change(goal, old, checked, new.inputs, seed)

    def _check(self, new: State, old_inputs: PropertyMap | None, seed: bytes) -> State:
        return new.with_(inputs=self.world.provider(new).check(new.urn, old_inputs, new.inputs, seed))

    def _import(self, goal: Goal, old: State | None, new: State) -> Step:
        replaces = old is not None and not old.external
        return Import(new, goal.import_id, old, op="import-replacement" if replaces else "import")

    def _change(self, goal: Goal, old: State, new: State, unchecked: PropertyMap, seed: bytes) -> list[Step]:
        diff = self._diff(goal, old, new)
        if diff.changes is not Changes.SOME and not diff.replace:
            return [Same(old, new)]
        if not diff.replace:
            return [Update(old, new.with_(id=old.id), diff)]
        if old.protect:
            raise StepFailed(_PROTECTED.format(urn=old.urn), old.urn)
        # A replacement must not inherit the old one's generated defaults, above all its name.
        successor = self._check(new.with_(inputs=unchecked, created=new.modified), None, seed)
        before = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        return self._replace_first(old, successor, diff) if before else _replace_last(old, successor, diff)

    def _diff(self, goal: Goal, old: State, new: State) -> Diff:
        if self.targets.must_replace(old.urn):
            return Diff(Changes.SOME, replaces=("id",))
        if self._provider_changed(old, new):
            return Diff(Changes.SOME, ("provider",), ("provider",))
        answer = self.world.provider(new).diff(old, new.inputs, goal.ignore_changes)
        diff = _replace_on_changes(decide_unknown(answer, old.inputs, new.inputs), goal.replace_on_changes)
        if diff.changes is Changes.SOME and not diff.changed:
            # For display only: the provider did not name what differs.
            shown = tuple(key for key in changed_keys(old.inputs, new.inputs) if not key.startswith("__"))
            return Diff(diff.changes, shown, diff.replaces, diff.detailed, diff.delete_before_replace)
        return diff

    def _provider_changed(self, old: State, new: State) -> bool:
        """Whether the resource moved to a provider that is configured so differently that it must be replaced."""
        if old.is_provider or old.provider == new.provider:
            return False
        before, _ = split_reference(old.provider)
        after, _ = split_reference(new.provider)
        if is_default_provider(before) and is_default_provider(after):
            return False
        former = self._recorded.get(before)
        current = self.world.registry.find_state(after)
        if former is None or current is None:
            return True
        return self.world.registry.diff(former, current.inputs, ()).replace

    def _replace_first(self, old: State, new: State, diff: Diff) -> list[Step]:
        """Delete before create: first everything that depends on the old one and cannot live without it."""
        steps: list[Step] = []
        for dependent in reversed(dependents_to_replace(old, self.snapshot.old(), self.world)):
            if dependent.protect:
                raise StepFailed(_PROTECTED_DEPENDENT.format(urn=dependent.urn, cause=old.urn), dependent.urn)
            self._deleted[dependent.urn] = dependent
            steps.append(_delete_replaced(dependent))
        return [
            *steps,
            _delete_replaced(old, diff),
            Replace(old, new, diff),
            Create(new, old, op="create-replacement", diff=diff, logical=False),
        ]


_PROTECTED = (
    'unable to replace resource "{urn}"\nas it is currently marked for protection. To unprotect the resource, remove '
    "the `protect` flag from the resource in your Pulumi program and run `pulumi up`"
)
_PROTECTED_DEPENDENT = (
    'unable to replace resource "{urn}" as part of replacing "{cause}"\nas it is currently marked for protection. To '
    "unprotect the resource, remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`"
)


def _needs_import(goal: Goal, old: State | None) -> bool:
    if old is None or old.external:
        return True
    return goal.import_id not in {old.id, old.import_id}


def _component_step(old: State | None, new: State) -> Step:
    if old is None or old.custom:
        return Create(new, gone=old if old is not None and old.external else None)
    return Same(old, new) if old.inputs == new.inputs else Update(old, new)


def _delete_replaced(old: State, diff: Diff | None = None) -> Delete:
    return Delete(old, op="delete-replaced", diff=diff, awaits_replacement=True, logical=False)


def _replace_last(old: State, new: State, diff: Diff) -> list[Step]:
    """Create before delete: the old one is deleted after everything else."""
    return [
        Create(new, old, doomed=old, op="create-replacement", diff=diff, logical=False),
        Replace(old, new, diff),
    ]


def _replace_on_changes(diff: Diff, paths: tuple[str, ...]) -> Diff:
    """Let differences at the named paths force a replacement; only those that the provider has named itself."""
    if not paths or diff.changes is not Changes.SOME:
        return diff
    detailed = {
        path: part.to_replace() if any(covers(pattern, path) for pattern in paths) else part
        for path, part in diff.detailed.items()
    }
    forced = [key for key in diff.changed if any(covers(pattern, key) for pattern in paths)]
    replaces = tuple(dict.fromkeys([*diff.replaces, *forced]))
    return Diff(diff.changes, diff.changed, replaces, detailed, diff.delete_before_replace)
