"""What the provider does with a resource, whatever its type: check, diff, create, read, update, delete."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from lab.pulumi.aws.compare import Change, is_ignored
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.azure import bodies, compare, follow, paths
from lab.pulumi.azure.client import AlreadyThere, Arm
from lab.pulumi.azure.table import Type, failures
from lab.pulumi.declared import Failure

NAMED = "__named"
"""Input that says whether the provider made the name up."""
SECONDS = 1800.0
"""What an operation may take where the program says nothing."""
_DIGITS = 8
_LETTERS_ONLY = frozenset({"azure-native:storage:StorageAccount"})
_UNIQUE = frozenset({"azure-native:authorization:RoleAssignment", "azure-native:authorization:RoleDefinition"})


class NotSettled(Exception):
    """The resource was made but something after that failed; it must be remembered all the same."""

    def __init__(self, identifier: str, state: Properties, reason: Exception) -> None:
        super().__init__(str(reason))
        self.id, self.state, self.reason = identifier, state, reason


@dataclass(frozen=True, slots=True)
class Named:
    """How a resource without a name of its own is named: its name in the program, and what makes digits repeatable."""

    resource: str
    seed: bytes
    proposed: str = ""
    enabled: bool = True
    """False: the program has to give a name, unless the resource is named by others."""


# --- check -----------------------------------------------------------------------------------------------------------


def checked(kind: Type, arm: Arm, olds: Properties, news: Properties, named: Named) -> tuple[Properties, list[Failure]]:
    """Return the inputs with name and location filled in, and what is wrong with them."""
    inputs = {name: value for name, value in news.items() if value is not None and not name.startswith("__")}
    found = list(failures(kind, {name: value for name, value in inputs.items() if name != "id"}))
    own = kind.own_name
    inputs[NAMED] = own not in inputs
    if own not in inputs and not named.enabled and not kind.default:
        found.append(Failure(own, "Missing required property: the project has switched automatic names off"))
    elif own not in inputs:
        inputs[own] = olds[own] if olds.get(NAMED) and olds.get(own) else _made_up(kind, named)
    if "location" in kind.inputs and not inputs.get("location"):
        place = olds.get("location") or _place(arm, inputs)
        if place:
            inputs["location"] = place
    missing = [failure for failure in found if failure.property != own or own in news or not named.enabled]
    return inputs, missing


def _made_up(kind: Type, named: Named) -> str:
    """Return a name for a resource that the program gives none; the same for the same seed."""
    if kind.default:
        return "default"
    digest = hashlib.sha256(named.seed or os.urandom(32)).hexdigest()
    if kind.token in _UNIQUE:
        return str(uuid.UUID(digest[:32]))
    if named.proposed:
        return named.proposed
    if kind.token in _LETTERS_ONLY:
        plain = "".join(letter for letter in named.resource.lower() if letter.isalnum())
        return f"{plain[: 24 - _DIGITS]}{digest[:_DIGITS]}"
    return f"{named.resource}{digest[:_DIGITS]}"


def _place(arm: Arm, inputs: Properties) -> str:
    """Return the region of the resource's group; empty while nobody knows."""
    group = inputs.get("resourceGroupName")
    if arm.account.location or not isinstance(group, str) or group == UNKNOWN:
        return arm.account.location
    found = arm.get(f"/subscriptions/{arm.account.subscription}/resourceGroups/{group}", "2024-03-01")
    return str((found or {}).get("location") or "")


# --- diff ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """What has to change; ``delete_first``: the old one stands in the new one's place."""

    changes: tuple[Change, ...]
    replacing: tuple[Change, ...]
    delete_first: bool


def difference(kind: Type, olds: Properties, news: Properties, ignored: Collection[str]) -> Difference:
    """Return what differs, and what of it cannot be changed in place."""
    found = tuple(change for change in compare.changes(olds, news) if not is_ignored(change.path, ignored))
    fixed = [*kind.parameters, "location", *paths.REPLACING.get(kind.token, ())]
    replacing = tuple(change for change in found if is_ignored(change.path, fixed))
    moved = any(is_ignored(change.path, kind.parameters) for change in replacing)
    return Difference(found, replacing, bool(replacing) and not moved and not news.get(NAMED))


# --- changes ---------------------------------------------------------------------------------------------------------


def place_of(kind: Type, arm: Arm, inputs: Properties) -> str:
    """Return the id that a resource with these inputs has."""
    values = {name: str(inputs[name]) for name in kind.parameters}
    return paths.filled(kind.path, {**values, "subscriptionId": arm.account.subscription})


def created(kind: Type, arm: Arm, inputs: Properties, seconds: float) -> tuple[str, Properties]:
    """Make a resource and wait until it is there; return its id and state.

    Raises:
        NotSettled: Azure has it, but it did not get there.
        AlreadyThere: There is one already.
    """
    place = place_of(kind, arm, inputs)
    if not kind.default and arm.get(place, kind.api) is not None:
        raise AlreadyThere(f"cannot create already existing resource '{place}'")
    try:
        arm.put(place, kind.api, bodies.document(kind, inputs), seconds)
    except Exception as reason:
        found = _state(kind, arm, place)
        if found is None or kind.default:
            raise
        raise NotSettled(place, found, reason) from reason
    return place, _must(_state(kind, arm, place), place)


def updated(kind: Type, arm: Arm, identity: str, news: Properties, seconds: float) -> Properties:
    """Ask for the whole resource anew, as Azure wants it; return its state."""
    body = bodies.document(kind, news)
    _keep_children(kind, arm, identity, body)
    arm.put(identity, kind.api, body, seconds)
    return _must(_state(kind, arm, identity), identity)


def deleted(kind: Type, arm: Arm, identity: str, seconds: float) -> None:
    """Delete a resource; one that is gone, and one that goes with its owner, count as deleted."""
    if kind.token not in paths.STAYING:
        arm.delete(identity, kind.api, seconds)


def refreshed(
    kind: Type, arm: Arm, identity: str, olds: Properties, old_inputs: Properties
) -> tuple[Properties, Properties] | None:
    """Read a resource; return its state and the inputs that would give this state, None when it is gone."""
    now = _state(kind, arm, identity)
    if now is None:
        return None
    if not olds:
        return now, bodies.inputs_of(kind, now, identity)
    return now, follow.inputs(kind, old_inputs, olds, now)


def previewed(kind: Type, inputs: Properties, state: Properties | None = None) -> Properties:
    """Return what the outputs will be, as far as anybody knows: all else is unknown."""
    given = {name: value for name, value in inputs.items() if name in kind.outputs and not name.startswith("__")}
    known = {name: bodies.foreseen(value, (state or {}).get(name)) for name, value in given.items()}
    if state is None:
        rest: Properties = {name: UNKNOWN for name in kind.outputs if name not in kind.inputs}
        own = inputs.get(kind.own_name)
        return rest | known | ({"name": own} if "name" in kind.outputs and own else {})
    return dict(state) | known


def _keep_children(kind: Type, arm: Arm, identity: str, body: Properties) -> None:
    """Leave lists of children as they are where the program does not name them."""
    wanted = [name for name in paths.CHILDREN.get(kind.token, ()) if not _has(body, name)]
    found = arm.get(identity, kind.api) if wanted else None
    for name in wanted if found is not None else ():
        last = name.rpartition(".")[2]
        children = (found or {}).get(bodies.BAG, {}).get(last)
        if children:
            body.setdefault(bodies.BAG, {})[last] = children


def _has(body: Properties, name: str) -> bool:
    return name.rpartition(".")[2] in body.get(bodies.BAG, {})


def _state(kind: Type, arm: Arm, identity: str) -> Properties | None:
    found = arm.get(identity, kind.api)
    return None if found is None else bodies.outputs(kind, found)


def _must(state: Properties | None, identity: str) -> Properties:
    if state is None:
        raise LookupError(f"{identity} is not there although it was just made or changed")
    return state
