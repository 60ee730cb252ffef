"""Steps: the single acts an update consists of. Each knows what it does and what it leaves behind, no more."""

from dataclasses import dataclass, field
from typing import Protocol

from lab.pulumi.diff import Changes, Diff
from lab.pulumi.errors import StepFailed
from lab.pulumi.providers import ReadResult, ResourceProvider, timeout_of
from lab.pulumi.registry import ProviderRegistry
from lab.pulumi.snapshot import Edit
from lab.pulumi.state import State, timestamp
from lab.pulumi.values import UNKNOWN, PropertyMap, make_secret, mirror_secrets, plain


@dataclass(slots=True)
class World:
    """What steps act on.

    Attributes:
        registry: the providers.
        preview: nothing is changed.
        deleting: URNs this run deletes; what is deleted with one of them needs no call of its own.
    """

    registry: ProviderRegistry
    preview: bool
    deleting: set[str] = field(default_factory=set)

    def provider(self, state: State) -> ResourceProvider:
        """The provider of a custom resource; provider resources are the registry's own."""
        return self.registry if state.is_provider else self.registry.get(state.provider)


class Step(Protocol):
    """One act.

    Attributes:
        op: the operation's name in events.
        old: the state before, if any.
        new: the state intended, if any.
        diff: what led here, for display.
        logical: counts as a change the program asked for.
        pending: what the checkpoint calls it while it runs; empty when nothing can be left half done.
    """

    op: str
    old: State | None
    new: State | None
    diff: Diff | None
    logical: bool
    pending: str

    def apply(self, world: World) -> State | None:
        """Do it; the resulting state, or None when none is left."""

    def edit(self, result: State | None) -> Edit:
        """What the result does to the checkpoint."""


def _with_secrets(state: State, outputs: PropertyMap) -> PropertyMap:
    """Mark the outputs that the program declared secret."""
    secret = set(state.additional_secret_outputs)
    return {key: make_secret(value) if key in secret else value for key, value in outputs.items()}


@dataclass(slots=True)
class Same:
    """Nothing changes, except what the program may change without the provider: dependencies, options."""

    old: State | None
    new: State | None
    op: str = "same"
    diff: Diff | None = None
    logical: bool = True
    pending: str = ""

    def apply(self, world: World) -> State:
        """Keep id and outputs."""
        old, new = _both(self.old, self.new)
        kept = new.with_(id=old.id, outputs=old.outputs, created=old.created, modified=old.modified)
        if kept.is_provider:
            world.registry.same(kept)
        return kept

    def edit(self, result: State | None) -> Edit:
        """The new state takes the old one's place."""
        return Edit(result, (self.old,))


@dataclass(slots=True)
class Create:
    """Make a resource, or the successor of one that is replaced.

    Attributes:
        gone: a recorded external state that this creation ends.
        doomed: the recorded state that is to be deleted once everything is created.
    """

    new: State | None
    old: State | None = None
    gone: State | None = None
    doomed: State | None = None
    op: str = "create"
    diff: Diff | None = None
    logical: bool = True
    pending: str = "creating"

    def apply(self, world: World) -> State:
        """Ask the provider; a component just is."""
        if self.new is None:
            raise ValueError("nothing to create")
        if not self.new.custom:
            return self.new
        provider = world.provider(self.new)
        identity, outputs = provider.create(
            self.new.urn, self.new.inputs, preview=world.preview, timeout=timeout_of(self.new, "create")
        )
        return self.new.with_(id=identity or UNKNOWN, outputs=_with_secrets(self.new, outputs))

    def edit(self, result: State | None) -> Edit:
        """Add the new state; the one it succeeds waits for its deletion."""
        swap = (self.doomed, self.doomed.with_(delete=True)) if self.doomed else None
        return Edit(result, (self.gone,), swap)


@dataclass(slots=True)
class Update:
    """Change a resource in place."""

    old: State | None
    new: State | None
    diff: Diff | None = None
    op: str = "update"
    logical: bool = True
    pending: str = "updating"

    def apply(self, world: World) -> State:
        """Ask the provider; a component keeps its outputs until it registers new ones."""
        old, new = _both(self.old, self.new)
        if not new.custom:
            return new.with_(outputs=old.outputs)
        outputs = world.provider(new).update(old, new.inputs, preview=world.preview, timeout=timeout_of(new, "update"))
        return new.with_(id=old.id, outputs=_with_secrets(new, outputs))

    def edit(self, result: State | None) -> Edit:
        """The new state takes the old one's place."""
        return Edit(result, (self.old,))


@dataclass(slots=True)
class Replace:
    """A marker: the resource is replaced by the steps beside this one."""

    old: State | None
    new: State | None
    diff: Diff | None = None
    op: str = "replace"
    logical: bool = True
    pending: str = ""

    def apply(self, world: World) -> None:
        """Nothing."""

    def edit(self, result: State | None) -> Edit:  # noqa: ARG002 - the port's signature
        """Nothing."""
        return Edit()


@dataclass(slots=True)
class Delete:
    """Remove a resource.

    Attributes:
        awaits_replacement: it stays on record as deleted until its replacement is there.
    """

    old: State | None
    op: str = "delete"
    diff: Diff | None = None
    awaits_replacement: bool = False
    logical: bool = True
    pending: str = "deleting"
    new: State | None = None

    def apply(self, world: World) -> State | None:
        """Ask the provider, unless the resource is external, retained, or dies with another."""
        old = self._target()
        if old.protect and self.logical:
            raise StepFailed(_PROTECTED.format(urn=old.urn), old.urn)
        if not world.preview and _needs_call(old, world):
            world.provider(old).delete(old, timeout_of(old, "delete"))
        return old.with_(pending_replacement=True) if self.awaits_replacement else None

    def _target(self) -> State:
        if self.old is None:
            raise ValueError("nothing to delete")
        return self.old

    def edit(self, result: State | None) -> Edit:
        """Forget the state, or record that it awaits its replacement."""
        old = self._target()
        return Edit(swap=(old, result)) if result is not None else Edit(drop=(old,))


_PROTECTED = (
    'resource "{urn}" cannot be deleted\nbecause it is protected. To unprotect the resource, either remove the '
    "`protect` flag from the resource in your Pulumi program and run `pulumi up`, or use the command:\n"
    "`pulumi state unprotect '{urn}'`"
)


def _needs_call(state: State, world: World) -> bool:
    dies_with_another = bool(state.deleted_with) and state.deleted_with in world.deleting
    kept = state.external or state.retain_on_delete or state.pending_replacement
    return state.custom and not (kept or dies_with_another)


@dataclass(slots=True)
class Read:
    """Look up a resource that someone else owns."""

    new: State | None
    old: State | None = None
    op: str = "read"
    diff: Diff | None = None
    logical: bool = True
    pending: str = "reading"

    def apply(self, world: World) -> State:
        """Ask the provider; an unknown id (previews) reads as unknown.

        Raises:
            StepFailed: it does not exist.
        """
        if self.new is None:
            raise ValueError("nothing to read")
        if self.new.id == UNKNOWN:
            return self.new
        found = world.provider(self.new).read(self.new.urn, self.new.id, self.new.inputs, {})
        if found is None:
            raise StepFailed(f"resource '{self.new.id}' does not exist", self.new.urn)
        return self.new.with_(id=found.id, inputs=found.inputs, outputs=_with_secrets(self.new, found.outputs))

    def edit(self, result: State | None) -> Edit:
        """Take the place of what was read before; a resource that was owned waits for its deletion."""
        if self.old is None or self.old.external:
            return Edit(result, (self.old,))
        return Edit(result, swap=(self.old, self.old.with_(delete=True)))


@dataclass(slots=True)
class Import:
    """Adopt an existing resource."""

    new: State | None
    identity: str
    old: State | None = None
    op: str = "import"
    diff: Diff | None = None
    logical: bool = True
    pending: str = "importing"

    def apply(self, world: World) -> State:
        """Read it, then require that the program describes it as it is.

        Raises:
            StepFailed: it does not exist, or differs from the program's inputs.
        """
        if self.new is None:
            raise ValueError("nothing to import")
        provider = world.provider(self.new)
        found = provider.read(self.new.urn, self.identity, {}, {})
        if found is None:
            raise StepFailed(f"resource '{self.identity}' does not exist", self.new.urn)
        return self._adopt(provider, self.new, found)

    def _adopt(self, provider: ResourceProvider, new: State, found: ReadResult) -> State:
        inputs = provider.check(new.urn, found.inputs, new.inputs, b"")
        actual = new.with_(id=found.id, inputs=found.inputs, outputs=found.outputs)
        diff = provider.diff(actual, inputs, new.ignore_changes)
        if diff.changes is Changes.SOME:
            raise StepFailed(
                "inputs to import do not match the existing resource; importing this resource will fail: "
                + ", ".join(diff.changed or ("inputs",)),
                new.urn,
            )
        return actual.with_(inputs=inputs, outputs=_with_secrets(new, found.outputs))

    def edit(self, result: State | None) -> Edit:
        """Add the adopted state; one that it succeeds waits for its deletion."""
        if self.old is None or self.old.external:
            return Edit(result, (self.old,))
        return Edit(result, swap=(self.old, self.old.with_(delete=True)))


@dataclass(slots=True)
class Refresh:
    """Compare a resource's record with the world.

    Attributes:
        outcome: delete, update or same, once applied: how it is counted.
    """

    old: State | None
    op: str = "refresh"
    new: State | None = None
    diff: Diff | None = None
    logical: bool = False
    pending: str = ""
    outcome: str = "same"

    def apply(self, world: World) -> State | None:
        """Ask the provider about a custom resource; the rest is what it is recorded as."""
        old, _ = _both(self.old, self.old)
        if not old.custom or old.is_provider or old.delete or old.pending_replacement:
            return old
        found = world.provider(old).read(old.urn, old.id, old.inputs, old.outputs)
        if found is None:
            self.outcome = "delete"
            return None
        outputs = _with_secrets(old, mirror_secrets(found.outputs, old.outputs))
        if (found.id, plain(found.inputs), plain(outputs)) == (old.id, plain(old.inputs), plain(old.outputs)):
            return old
        self.outcome = "update"
        return old.with_(id=found.id, inputs=found.inputs, outputs=outputs, modified=timestamp())

    def edit(self, result: State | None) -> Edit:  # noqa: ARG002 - the port's signature
        """Nothing: a refresh writes all its results at once."""
        return Edit()


def _both(old: State | None, new: State | None) -> tuple[State, State]:
    if old is None or new is None:
        raise ValueError("this step needs the state before and after")
    return old, new
