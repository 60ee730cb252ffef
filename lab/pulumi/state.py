"""One resource's recorded state, as a checkpoint holds it.

States are immutable and compared by identity: a step replaces a state by another, it never edits one. That is what
lets the checkpoint writer keep the text of each state it has written (lab/pulumi/snapshot.py).
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab.pulumi.urns import is_provider_type, split_reference
from lab.pulumi.values import PropertyMap


def timestamp() -> str:
    """Now, in the form state files use."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A resource as it was last known.

    Attributes:
        urn: identity across updates.
        type: type token.
        custom: managed by a provider; false for components.
        id: the provider's identity; empty for components; UNKNOWN in previews.
        inputs: checked inputs.
        outputs: what the provider or the component returned.
        parent: URN or empty.
        provider: reference `URN::id` or empty.
        dependencies: URNs this resource waits for.
        property_dependencies: the same by input property.
        protect: refuse deletion.
        external: read, not owned.
        delete: replaced, still to be deleted.
        pending_replacement: already deleted, its replacement still to be created.
        extra: fields of newer state files that this engine does not use but keeps.
    """

    urn: str
    type: str
    custom: bool = False
    id: str = ""
    inputs: PropertyMap = field(default_factory=dict)
    outputs: PropertyMap = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protect: bool = False
    external: bool = False
    delete: bool = False
    pending_replacement: bool = False
    additional_secret_outputs: tuple[str, ...] = ()
    retain_on_delete: bool = False
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    import_id: str = ""
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    created: str = ""
    modified: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def with_(self, **changes: Any) -> "State":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @property
    def is_provider(self) -> bool:
        """Whether this is a provider resource."""
        return is_provider_type(self.type)

    def referenced(self) -> Iterator[str]:
        """Every URN this state needs to exist: dependencies, parent, provider, deletedWith."""
        yield from self.dependencies
        for urns in self.property_dependencies.values():
            yield from urns
        if self.parent:
            yield self.parent
        if self.provider:
            yield split_reference(self.provider)[0]
        if self.deleted_with:
            yield self.deleted_with


_JSON_NAMES = {
    "urn": "urn",
    "custom": "custom",
    "delete": "delete",
    "id": "id",
    "type": "type",
    "inputs": "inputs",
    "outputs": "outputs",
    "parent": "parent",
    "protect": "protect",
    "external": "external",
    "dependencies": "dependencies",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
    "hooks": "resourceHooks",
}
_ALWAYS = {"urn", "custom", "type"}
_LISTS = {"dependencies", "additional_secret_outputs", "ignore_changes", "replace_on_changes"}
_MAPS_OF_LISTS = {"property_dependencies", "hooks"}


def to_json(state: State) -> dict[str, Any]:
    """The state as a checkpoint holds it: empty fields left out."""
    document: dict[str, Any] = {}
    for name, key in _JSON_NAMES.items():
        value = getattr(state, name)
        if value or name in _ALWAYS:
            document[key] = value
    return {**document, **state.extra}


def from_json(document: Mapping[str, Any]) -> State:
    """Read one resource of a checkpoint; unknown fields are kept as they are."""
    known: dict[str, Any] = {}
    for name, key in _JSON_NAMES.items():
        value = document.get(key)
        if value is None:
            continue
        if name in _LISTS:
            value = tuple(value)
        elif name in _MAPS_OF_LISTS:
            value = {part: tuple(urns or ()) for part, urns in value.items()}
        known[name] = value
    extra = {key: value for key, value in document.items() if key not in _JSON_NAMES.values()}
    return State(**known, extra=extra)
