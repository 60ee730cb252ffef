"""What a program asks for: the goal state of one resource, read from its registration."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.pulumi.errors import StepFailed
from lab.pulumi.state import State, timestamp
from lab.pulumi.urns import is_provider_type
from lab.pulumi.values import PropertyMap, hash_assets
from lab.pulumi.wire import properties

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def seconds(duration: str) -> float:
    """A duration such as `1h30m` in seconds; 0 when empty.

    Raises:
        StepFailed: it is not a duration.
    """
    if not duration:
        return 0.0
    if not re.fullmatch(f"(?:{_DURATION.pattern})+", duration):
        raise StepFailed(f"custom timeout '{duration}' is not a duration such as '10m'")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))


@dataclass(frozen=True, slots=True)
class Alias:
    """Another identity a resource may have had.

    Attributes:
        urn: the whole of it; when empty the other fields are, each None for "as now".
        no_parent: it had no parent.
    """

    urn: str = ""
    name: str | None = None
    type: str | None = None
    stack: str | None = None
    project: str | None = None
    parent: str | None = None
    no_parent: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """One resource as the program wants it.

    Attributes:
        provider: reference `URN::id`; empty for components and provider resources.
        delete_before_replace: the program's say; None leaves it to the provider.
        timeouts: seconds by operation.
    """

    type: str
    name: str
    custom: bool
    inputs: PropertyMap
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protect: bool = False
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    delete_before_replace: bool | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_provider(self) -> bool:
        """Whether the goal is a provider resource."""
        return is_provider_type(self.type)

    def state(self, urn: str, old: State | None) -> State:
        """The goal as a new state without id and outputs.

        Args:
            urn: its identity.
            old: the state before; its time of creation is kept.
        """
        now = timestamp()
        return State(
            urn=urn,
            type=self.type,
            custom=self.custom,
            inputs=self.inputs,
            parent=self.parent,
            provider=self.provider,
            dependencies=self.dependencies,
            property_dependencies=self.property_dependencies if self.custom else {},
            protect=self.protect,
            additional_secret_outputs=self.additional_secret_outputs,
            retain_on_delete=self.retain_on_delete,
            deleted_with=self.deleted_with,
            ignore_changes=self.ignore_changes,
            replace_on_changes=self.replace_on_changes,
            custom_timeouts=self.timeouts,
            import_id=self.import_id,
            hooks=self.hooks,
            created=(old.created if old else "") or now,
            modified=now,
        )


def _alias(message: Any) -> Alias:
    if message.WhichOneof("alias") == "urn":
        return Alias(urn=message.urn)
    spec = message.spec
    return Alias(
        name=spec.name or None,
        type=spec.type or None,
        stack=spec.stack or None,
        project=spec.project or None,
        parent=spec.parentUrn or None,
        no_parent=bool(spec.noParent),
    )


def _timeouts(message: Any) -> dict[str, float]:
    given = {name: seconds(getattr(message, name)) for name in ("create", "update", "delete", "read")}
    return {name: value for name, value in given.items() if value}


HOOK_POINTS = ("before_create", "after_create", "before_update", "after_update", "before_delete", "after_delete")


def goal_from(request: Any) -> Goal:
    """Read a RegisterResourceRequest; its provider and package reference are resolved by the monitor."""
    hooks = {point: tuple(getattr(request.hooks, point)) for point in HOOK_POINTS}
    return Goal(
        type=request.type,
        name=request.name,
        custom=bool(request.custom),
        inputs=hash_assets(properties(request.object)),
        parent=request.parent,
        dependencies=tuple(request.dependencies),
        property_dependencies={key: tuple(value.urns) for key, value in request.propertyDependencies.items()},
        protect=bool(request.protect),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        aliases=(*(Alias(urn=urn) for urn in request.aliasURNs), *map(_alias, request.aliases)),
        import_id=request.importId,
        retain_on_delete=bool(request.retainOnDelete),
        deleted_with=request.deletedWith,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        delete_before_replace=bool(request.deleteBeforeReplace) if request.deleteBeforeReplaceDefined else None,
        timeouts=_timeouts(request.customTimeouts),
        hooks={point: names for point, names in hooks.items() if names},
    )
