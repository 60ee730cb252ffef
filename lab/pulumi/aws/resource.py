"""The description of a resource type: what `types/` writes and `lifecycle` carries out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from lab.pulumi.aws import compare, schema
from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.session import Aws
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

Create: TypeAlias = Callable[[Aws, Properties], str]
"""Make the resource from its inputs; return its id."""

Read: TypeAlias = Callable[[Aws, str, Properties], Properties | None]
"""Return what the cloud shows of resource `id` (last known state given), None when it is gone."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a call that changes an existing resource is given.

    Attributes:
        aws: The region it lives in.
        id: Its id.
        olds: Its state so far.
        news: What the program asks for.
        changed: Top-level properties that differ; only these may be sent.
        seconds: How long the whole operation may wait.
    """

    aws: Aws
    id: str
    olds: Properties
    news: Properties
    changed: frozenset[str]
    seconds: float


class Act(Protocol):
    """Change or delete an existing resource."""

    def __call__(self, task: Task, /) -> None:
        """Make the calls."""


@dataclass(frozen=True, slots=True)
class Update:
    """The call that brings certain properties to their new values."""

    properties: frozenset[str]
    act: Act

    @classmethod
    def of(cls, act: Act, *properties: str) -> Update:
        """Describe `act` as what changes `properties`."""
        return cls(frozenset(properties), act)


def _no_failures(_: Properties) -> Iterable[Failure]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """One resource type.

    Attributes:
        type: Pulumi's name of the type, `aws:ec2/vpc:Vpc`.
        create, read, delete: The calls. `delete` need not mind that the resource is gone already.
        updates: The calls per property, in the order in which they are made.
        tagging: How `tags` are changed; None for a type without tags.
        replace_on: Properties (or paths in them) that cannot be changed in place.
        also_replaces: Further such properties, depending on the new inputs.
        state_only: Properties that steer this provider and are sent to no service.
        defaults: What a property is when the program does not say, as in the genuine provider.
        computed: Inputs that the cloud fills when the program does not give them.
        finish: What remains after creation: further calls, and waiting until dependents can use it. When it fails,
            the resource is remembered as unfinished and the next run goes on.
        recomputed: Which outputs an update of the given properties changes, for previews.
        name: How a name is made when the program gives none.
        documents, sets: See `compare.Rules`.
        secret: Outputs that are secret.
        check: Further reasons to refuse inputs.
        gone: Error codes with which the cloud says that the resource does not exist.
        busy: Error codes upon which deleting is tried again until its time is over.
        delete_before_replace: Two of them cannot exist side by side.
        seconds: How long create, update and delete may wait by default.
    """

    type: str
    create: Create
    read: Read
    delete: Act
    updates: Sequence[Update] = ()
    tagging: Act | None = None
    replace_on: frozenset[str] = frozenset()
    also_replaces: Callable[[Properties], frozenset[str]] = lambda _news: frozenset()
    state_only: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    finish: Act | None = None
    recomputed: Callable[[Properties, Collection[str]], Collection[str]] = lambda _news, _changed: ()
    name: AutoName | None = None
    documents: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()
    secret: frozenset[str] = frozenset()
    check: Callable[[Properties], Iterable[Failure]] = _no_failures
    gone: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    delete_before_replace: bool = False
    seconds: float = 600.0

    @property
    def has_tags(self) -> bool:
        """Whether `tags` is a map that the provider's default tags join."""
        return self.tagging is not None

    @property
    def changes(self) -> tuple[Update, ...]:
        """All updates, tags last."""
        tags = (Update(frozenset({"tags"}), self.tagging),) if self.tagging is not None else ()
        return (*self.updates, *tags)

    @property
    def honoured(self) -> frozenset[str]:
        """The inputs that mean something to this provider; others are refused rather than ignored."""
        named = {segment.split(".")[0] for segment in self.replace_on}
        for update in self.changes:
            named |= update.properties
        names = {self.name.property, f"{self.name.property}Prefix"} if self.name else set()
        region = {"region"} & set(schema.schema().resources[self.type].inputs)
        return frozenset((named | names | region | self.state_only) & set(schema.schema().resources[self.type].inputs))

    @property
    def outputs(self) -> frozenset[str]:
        """Outputs that are known only once the cloud has made the resource."""
        declared = schema.schema().resources[self.type]
        return frozenset((set(declared.outputs) - set(declared.inputs)) | self.computed)

    @property
    def rules(self) -> compare.Rules:
        """How its properties are compared."""
        inputs = schema.schema().resources[self.type].inputs
        maps = {name for name, kind in inputs.items() if isinstance(kind, list) and kind[0] == "map"}
        return compare.Rules(self.documents, self.sets, self.computed | {"region"}, maps)

    def forces_replacement(self, change: compare.Change, news: Properties) -> bool:
        """Tell whether the change cannot be made in place."""
        names = {self.name.property, f"{self.name.property}Prefix"} if self.name else set()
        return compare.is_ignored(change.path, self.replace_on | self.also_replaces(news) | names | {"region"})
