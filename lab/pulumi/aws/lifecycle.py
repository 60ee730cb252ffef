"""What the provider does with a resource, whatever its type: check, diff, create, read, update, delete."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lab.pulumi.aws import compare, errors, schema
from lab.pulumi.aws.compare import Change
from lab.pulumi.aws.resource import ResourceType, Task
from lab.pulumi.aws.session import Aws, NotReached
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_DEFAULTS = "__defaults"
_BUSY_SECONDS = 30.0


class NotSettled(Exception):
    """The resource was made but something after that failed; it must be remembered all the same."""

    def __init__(self, identifier: str, state: Properties, reason: Exception) -> None:
        super().__init__(str(reason))
        self.id = identifier
        self.state = state
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Named:
    """How a resource without a name of its own is named.

    Attributes:
        resource: Its name in the program.
        seed: Makes the random digits repeatable between preview and update.
        proposed: The engine's own proposal, from the project's settings; empty for none.
        enabled: False when the project forbids made-up names.
    """

    resource: str
    seed: bytes
    proposed: str = ""
    enabled: bool = True


def checked(
    kind: ResourceType, olds: Properties, news: Properties, named: Named, default_tags: Properties
) -> tuple[Properties, list[Failure]]:
    """Return the inputs with names, defaults and default tags filled in, and what is wrong with them."""
    inputs = {k: v for k, v in news.items() if v is not None and not k.startswith("__")}
    failures = [*schema.failures(kind.type, inputs), *_not_honoured(kind, inputs)]
    filled: list[str] = []
    for name, value in kind.defaults.items():
        if name not in inputs:
            inputs[name] = value
            filled.append(name)
    if kind.has_tags and default_tags and inputs.get("tags") != UNKNOWN:
        inputs["tags"] = {**default_tags, **(inputs.get("tags") or {})}
    failures += _name(kind, olds, inputs, named, filled)
    inputs[_DEFAULTS] = sorted(filled)
    if not failures:
        failures += kind.check(inputs)
    return inputs, failures


def _not_honoured(kind: ResourceType, inputs: Properties) -> Iterator[Failure]:
    declared = schema.schema().resources[kind.type].inputs
    for name in inputs:
        if name in declared and name not in kind.honoured:
            known = ", ".join(sorted(kind.honoured))
            yield Failure(name, f"The lab's aws provider does not model this property; it honours {known}")


def _name(
    kind: ResourceType, olds: Properties, inputs: Properties, named: Named, filled: list[str]
) -> Iterator[Failure]:
    """Fill in a name: the one the resource has, the one the engine proposes, or a made-up one."""
    rule = kind.name
    if rule is None or rule.property in inputs or inputs.get(f"{rule.property}Prefix") is not None:
        return
    if rule.property in (olds.get(_DEFAULTS) or ()) and olds.get(rule.property):
        inputs[rule.property] = olds[rule.property]
    elif named.proposed:
        inputs[rule.property] = named.proposed
    elif not named.enabled:
        yield Failure(rule.property, "Give a name: the project's settings forbid made-up names")
        return
    else:
        try:
            inputs[rule.property] = rule.made(named.resource, named.seed)
        except ValueError as wrong:
            yield Failure(rule.property, str(wrong))
            return
    filled.append(rule.property)


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to change.

    Attributes:
        changes: Each difference.
        replacing: Those that cannot be made in place.
        delete_first: The old one must go before the new one is made.
    """

    changes: tuple[Change, ...]
    replacing: tuple[Change, ...]
    delete_first: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """A resource and what the program now wants of it.

    Attributes:
        old_inputs: What the program asked for before.
        state: What the resource is, as last recorded.
        news: What the program asks for now.
        ignored: Paths of properties whose changes do not count.
    """

    old_inputs: Properties
    state: Properties
    news: Properties
    ignored: Collection[str] = ()

    @property
    def kept(self) -> Properties:
        """The state without what the program no longer asks for."""
        return {k: v for k, v in self.state.items() if k not in self.old_inputs or k in self.news}


def difference(kind: ResourceType, revision: Revision) -> Difference:
    """Compare the state of a resource with its new inputs."""
    state, news = revision.state, revision.news
    found = compare.changes(kind.rules, revision.old_inputs or _asked(kind, state), state, news)
    changes = tuple(c for c in found if not compare.is_ignored(c.path, revision.ignored))
    replacing = tuple(c for c in changes if kind.forces_replacement(c, news))
    return Difference(changes, replacing, bool(replacing) and _collides(kind, state, news))


def _asked(kind: ResourceType, state: Properties) -> Properties:
    """Guess the inputs behind a state that came without them."""
    declared = schema.schema().resources[kind.type].inputs
    return {k: v for k, v in state.items() if k in declared and k not in kind.computed}


def _collides(kind: ResourceType, state: Properties, news: Properties) -> bool:
    """Tell whether the new resource would meet the old one: the same chosen name, or one place for both."""
    if kind.delete_before_replace:
        return True
    if kind.name is None or kind.name.property in (news.get(_DEFAULTS) or ()):
        return False
    name = news.get(kind.name.property)
    return name is not None and name == state.get(kind.name.property)


def previewed_create(kind: ResourceType, inputs: Properties) -> Properties:
    """Return the outputs that creating would give, as far as they are known."""
    known = {k: v for k, v in inputs.items() if not k.startswith("__")}
    unknown = dict.fromkeys(kind.outputs, UNKNOWN)
    if "region" in schema.schema().resources[kind.type].inputs:
        unknown["region"] = UNKNOWN
    return {**unknown, **known, **_all_tags(kind, known)}


def previewed_update(kind: ResourceType, revision: Revision) -> Properties:
    """Return the outputs that updating would give, as far as they are known."""
    changed = {c.top for c in difference(kind, revision).changes}
    outputs = revision.kept | _taken(revision, changed)
    outputs |= dict.fromkeys(kind.recomputed(revision.news, changed), UNKNOWN)
    return outputs | _all_tags(kind, outputs)


def _taken(revision: Revision, changed: Collection[str]) -> Properties:
    """Return the new inputs that take effect; an ignored property stays what the cloud made of it."""
    news = {k: v for k, v in revision.news.items() if not k.startswith("__")}
    return {k: v for k, v in news.items() if k in changed or k not in revision.kept}


def created(kind: ResourceType, aws: Aws, inputs: Properties, seconds: float) -> tuple[str, Properties]:
    """Make a resource and wait until it can be used; return its id and state.

    Raises:
        NotSettled: It was made, but does not get there.
    """
    asked = {k: v for k, v in inputs.items() if not k.startswith("__")}
    if kind.name and kind.name.property not in asked and (prefix := asked.get(f"{kind.name.property}Prefix")):
        asked[kind.name.property] = kind.name.prefixed(prefix)
    identifier = kind.create(aws, asked)
    try:
        if kind.finish is not None:
            kind.finish(Task(aws, identifier, {}, asked, frozenset(asked), seconds))
        return identifier, _state(kind, aws, identifier, asked)
    except Exception as reason:  # whatever it was, the resource exists and must not be forgotten
        raise NotSettled(identifier, _state_if_shown(kind, aws, identifier, asked), reason) from reason


def refreshed(
    kind: ResourceType, aws: Aws, identifier: str, state: Properties, old_inputs: Properties
) -> tuple[Properties, Properties] | None:
    """Read a resource; return its state and the inputs that would give this state, None when it is gone."""
    read = _read(kind, aws, identifier, state)
    if read is None:
        return None
    now = _with_general(kind, aws, compare.reconciled(kind.rules, state, read))
    if not state:  # an import: everything the program could have asked for
        declared = schema.schema().resources[kind.type].inputs
        return now, {k: v for k, v in now.items() if k in declared and not compare.is_empty(v)}
    return now, _inputs_behind(kind, old_inputs, state, now)


def _inputs_behind(kind: ResourceType, old_inputs: Properties, old: Properties, now: Properties) -> Properties:
    """Keep inputs that still hold; let the others, and what was added behind our back, follow the cloud."""
    inputs: Properties = {}
    for name, value in old_inputs.items():
        holds = name not in old or compare.same(kind.rules, name, now.get(name), value)
        if holds or now.get(name) is not None:
            inputs[name] = value if holds or name.startswith("__") else now[name]
    declared = schema.schema().resources[kind.type].inputs
    for name in (declared.keys() & now.keys()) - inputs.keys() - kind.computed - {"region"}:
        if not compare.same(kind.rules, name, old.get(name), now[name]):
            inputs[name] = now[name]
    return inputs


def updated(kind: ResourceType, aws: Aws, identifier: str, revision: Revision, seconds: float) -> Properties:
    """Make the calls for what differs, nothing else; return the new state."""
    changed = frozenset(c.top for c in difference(kind, revision).changes)
    task = Task(aws, identifier, revision.state, revision.news, changed, seconds)
    for update in kind.changes:
        if update.properties & changed:
            update.act(task)
    return _state(kind, aws, identifier, revision.kept | _taken(revision, changed))


def deleted(kind: ResourceType, aws: Aws, identifier: str, state: Properties, seconds: float) -> None:
    """Delete a resource; one that is gone already counts as deleted. What still uses it is given time to go."""
    task = Task(aws, identifier, state, {}, frozenset(), seconds)

    def gone() -> bool:
        try:
            kind.delete(task)
        except errors.CALL_ERRORS as error:
            if errors.code(error) in kind.busy:
                blocked.append(error)
                return False
            if errors.code(error) not in kind.gone:
                raise
        return True

    blocked: list[Exception] = []
    try:
        aws.wait(f"{identifier} to be free", gone, min(seconds, _BUSY_SECONDS))
    except NotReached:
        if not blocked:
            raise
        raise blocked[-1] from None


def _read(kind: ResourceType, aws: Aws, identifier: str, state: Properties) -> Properties | None:
    try:
        return kind.read(aws, identifier, state)
    except errors.CALL_ERRORS as error:
        if errors.code(error) in kind.gone:
            return None
        raise


def _state(kind: ResourceType, aws: Aws, identifier: str, asked: Properties) -> Properties:
    read = _read(kind, aws, identifier, asked)
    if read is None:
        raise LookupError(f"{identifier} is not there although it was just made or changed")
    return _with_general(kind, aws, compare.reconciled(kind.rules, asked, read))


def _state_if_shown(kind: ResourceType, aws: Aws, identifier: str, asked: Properties) -> Properties:
    """Return as much of the state as can be had of a resource that is not in order; the error is told elsewhere."""
    try:
        return _state(kind, aws, identifier, asked)
    except Exception:  # noqa: BLE001 - a second failure must not hide the first, nor lose the resource
        return _with_general(kind, aws, dict(asked))


def _with_general(kind: ResourceType, aws: Aws, state: Properties) -> Properties:
    """Add what every resource of the genuine provider shows: its region and all its tags."""
    if "region" in schema.schema().resources[kind.type].inputs:
        state["region"] = aws.region
    return state | _all_tags(kind, state)


def _all_tags(kind: ResourceType, state: Properties) -> Properties:
    return {"tagsAll": state.get("tags") or {}} if kind.has_tags else {}
