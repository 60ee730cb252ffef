"""What every request to the resource manager has to pass: version, token, role, locks, conditions, place."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from lab.azure import errors, linked, paths
from lab.azure.errors import ArmError
from lab.azure.identities import Principal
from lab.azure.kinds import Change, Kind
from lab.azure.messages import Json, Request
from lab.azure.resources import STATE, Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

ACTIONS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
LOCK = "Microsoft.Authorization/locks"
OPERATION = re.compile(
    r"/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+/operations/([0-9a-f-]{36})$", re.IGNORECASE
)
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-privatepreview)?")


def version_of(request: Request) -> str:
    """Return the api-version. Raises ArmError without one."""
    version = request.query.get("api-version", "")
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", message)
    if _VERSION.fullmatch(version) is None:
        raise ArmError(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
    return version


def authorize(world: AzureWorld, request: Request, target: paths.Target) -> None:
    """Refuse who has no token, no subscription or no role."""
    principal = caller(world, request)
    if target.subscription and not _is_id(target.subscription):
        raise errors.no_subscription_id(target.subscription)
    tenant = world.subscriptions.get(target.subscription.lower())
    if target.subscription and tenant is None:
        raise errors.subscription_not_found(target.subscription)
    if tenant is not None and tenant != principal.tenant:
        raise errors.another_tenant(world.url, principal.tenant, tenant)
    action = action_of(target, request.method)
    if not OPERATION.match(request.path) and not principal.may(action, target.path):
        message = (
            f"The client '{principal.client}' with object id '{principal.object}' does not have authorization to "
            f"perform action '{action}' over scope '{target.path}' or the scope is invalid. "
            "If access was recently granted, please refresh your credentials."
        )
        raise ArmError(403, "AuthorizationFailed", message)
    linked.authorize(principal, request, target, action)


def caller(world: AzureWorld, request: Request) -> Principal:
    """Return who asks.

    Raises:
        ArmError: 401, with where to sign in.
    """
    try:
        return world.identities.bearer(request.headers, world.audiences)
    except ArmError as error:
        raise errors.unauthenticated(error, world.url, next(iter(world.subscriptions.values()))) from error


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def check_locks(world: AzureWorld, target: paths.Target, method: str) -> None:
    """Refuse what a management lock on the scope forbids."""
    for lock in world.resources.of(LOCK) if method != "GET" and target.kind.lower() != LOCK.lower() else ():
        level, scope = lock.properties.get("level"), lock.target.scope
        inside = f"{paths.key(target.path)}/".startswith(f"{paths.key(scope)}/")
        if inside and (level == "ReadOnly" or (level == "CanNotDelete" and method == "DELETE")):
            verb = "delete" if method == "DELETE" else "write"
            message = (
                f"The scope '{target.path}' cannot perform {verb} operation because following scope(s) are locked: "
                f"'{scope}'. Please remove the lock and try again."
            )
            raise errors.conflict(message, "ScopeLocked")


def check_parent(world: AzureWorld, target: paths.Target) -> None:
    """Refuse a child whose parent is not there, where the lab knows the parent's type."""
    owner = target.owner()
    if not owner or target.extends or world.resources.find(owner) is not None:
        return
    if world.known_kind(paths.parse(owner).kind) is not None:
        name = paths.name_of(owner)
        message = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."
        raise ArmError(404, "ParentResourceNotFound", message)


def action_of(target: paths.Target, method: str) -> str:
    """Return the action as roles name it."""
    if not target.provider:
        kind = "Microsoft.Resources/subscriptions" + ("/resourceGroups" if target.group else "")
        return f"{kind}/{ACTIONS.get(method, 'write')}"
    if method == "POST":
        return f"{target.kind}/action"
    return f"{target.kind}/{ACTIONS.get(method, 'write')}"


def check_version(kind: Kind, version: str) -> None:
    """Refuse an api-version that the type is not served with."""
    first, last = kind.versions
    if not first <= version[:10] <= last:
        raise errors.not_acceptable_version(kind.name, version, first, last)


def check_match(resource: Resource | None, request: Request) -> None:
    """Refuse when the resource is not the one that the caller saw."""
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    if wanted and (resource is None or wanted not in {"*", resource.etag}):
        raise errors.precondition(wanted)
    if unwanted == "*" and resource is not None:
        raise ArmError(412, "PreconditionFailed", "The resource exists already.")


def check_place(world: AzureWorld, kind: Kind, change: Change, document: Json) -> None:
    """Refuse a location that is not there or cannot do what is asked; write it as Azure does."""
    location = str(document.get("location") or "").replace(" ", "").lower()
    if kind.located and not location:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    if location and location != "global" and location not in world.locations:
        message = f"The provided location '{location}' is not available for resource type '{kind.name}'."
        raise ArmError(400, "LocationNotAvailableForResourceType", message)
    if location and document.get("zones") and not world.locations.get(location, True):
        message = f"The resource '{change.target.what()}' does not support availability zones at location '{location}'."
        raise ArmError(400, "LocationNotSupportAvailabilityZones", message)
    old = change.old
    if old is not None and old.location and location and old.location.lower() != location:
        message = f"The resource '{old.name}' already exists in location '{old.location}'."
        raise errors.conflict(message, "InvalidResourceLocation")
    if location:
        document["location"] = location
    document.get("properties", {}).pop(STATE, None)
