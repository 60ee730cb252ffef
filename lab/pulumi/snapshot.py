"""The checkpoint of a running update: what is already new, what is still old, what is under way.

Every change is on disk before the next step begins, so that an engine that is killed leaves a state that says which
operations were interrupted.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.pulumi.checkpoint import Checkpoint, PendingOperation
from lab.pulumi.state import State
from lab.pulumi.values import walk


@dataclass(frozen=True, slots=True)
class Edit:
    """What a finished step does to the checkpoint.

    Attributes:
        add: a state to record; it also ends a state of the same URN that awaited its replacement.
        drop: recorded states that are gone.
        swap: (recorded state, the state to record in its place).
    """

    add: State | None = None
    drop: tuple[State | None, ...] = ()
    swap: tuple[State, State] | None = None


Persist = Callable[[tuple[State, ...], tuple[PendingOperation, ...]], None]


class Snapshot:
    """New states in the order they came, then the old ones that nothing has replaced yet."""

    def __init__(self, base: Checkpoint, persist: Persist) -> None:
        """Start from the last checkpoint.

        Args:
            base: the state before.
            persist: writes a checkpoint; does nothing in previews.
        """
        self._lock = threading.RLock()
        self._persist = persist
        self._base = list(base.resources)
        self._new: list[State] = []
        # A create that was interrupted may have left something behind that nobody owns: it stays on record until a
        # person has looked (refresh --clear-pending-creates). Other operations are simply tried again.
        self._unconfirmed = [item for item in base.pending if item.type == "creating"]
        self._running: list[PendingOperation] = []

    def begin(self, operation: PendingOperation | None) -> None:
        """Record that an operation is about to start."""
        if operation is None:
            return
        with self._lock:
            self._running.append(operation)
            self._save()

    def end(self, operation: PendingOperation | None, edit: Edit | None = None) -> None:
        """Record what an operation has led to.

        Args:
            operation: what `begin` was told.
            edit: its effect; None when it failed.
        """
        with self._lock:
            if operation is not None:
                self._running.remove(operation)
            if edit is not None:
                self._apply(edit)
            self._save()

    def interrupt(self, operation: PendingOperation | None) -> None:
        """Keep an operation on record that was broken off: what it has done is not known."""
        with self._lock:
            if operation is not None:
                self._running.remove(operation)
                self._unconfirmed.append(operation)
            self._save()

    def _apply(self, edit: Edit) -> None:
        def stays(state: State) -> bool:
            succeeded = edit.add is not None and state.urn == edit.add.urn and state.pending_replacement
            return state not in edit.drop and not succeeded

        self._base = [state for state in self._base if stays(state)]
        self._new = [state for state in self._new if stays(state)]
        if edit.swap is not None:
            for states in (self._base, self._new):
                if edit.swap[0] in states:
                    states[states.index(edit.swap[0])] = edit.swap[1]
        if edit.add is not None:
            self._new.append(edit.add)

    def rename(self, old: str, new: str) -> None:
        """Follow an alias: the resource and everything that refers to it carry the new URN."""

        def rewrite(part: object) -> object:
            if not isinstance(part, str):
                return part
            return new if part == old else new + part[len(old) :] if part.startswith(f"{old}::") else part

        with self._lock:
            self._base = [_with_urns(state, lambda value: walk(value, rewrite)) for state in self._base]
            self._save()

    def rebase(self, resources: list[State], *, confirmed: bool) -> None:
        """Start over from refreshed states.

        Args:
            resources: what is left after the refresh.
            confirmed: a person vouches for the interrupted creates: forget them.
        """
        with self._lock:
            self._base = resources
            if confirmed:
                self._unconfirmed = []
            self._save()

    def old(self) -> list[State]:
        """Old states that nothing has replaced yet, in dependency order."""
        with self._lock:
            return list(self._base)

    def all(self) -> Iterator[State]:
        """Every state a checkpoint written now would hold."""
        with self._lock:
            return iter([*self._new, *self._base])

    def save(self) -> None:
        """Write the checkpoint."""
        with self._lock:
            self._save()

    def _save(self) -> None:
        self._persist((*self._new, *self._base), (*self._unconfirmed, *self._running))


def _with_urns(state: State, rewrite: Callable[[object], object]) -> State:
    changed = {}
    for name in ("urn", "parent", "provider", "deleted_with"):
        value = getattr(state, name)
        if rewrite(value) != value:
            changed[name] = rewrite(value)
    dependencies = tuple(map(str, map(rewrite, state.dependencies)))
    if dependencies != state.dependencies:
        changed["dependencies"] = dependencies
    by_property = {key: tuple(map(str, map(rewrite, urns))) for key, urns in state.property_dependencies.items()}
    if by_property != dict(state.property_dependencies):
        changed["property_dependencies"] = by_property
    return state.with_(**changed) if changed else state
