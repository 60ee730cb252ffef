"""Azure Resource Manager: who may do what to which resource, and how changes, deletions and actions are answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lab.azure import errors, groups, paths
from lab.azure.errors import ArmError
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Answer, Json, Request, again
from lab.azure.operations import Operation, Steps
from lab.azure.ports import Call
from lab.azure.resources import STATE, Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

ACTIONS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
LOCK = "Microsoft.Authorization/locks"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview|-privatepreview)?")
_OPERATION = re.compile(
    r"/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+/operations/([0-9a-f-]{36})$", re.IGNORECASE
)


class Arm:
    """Answers everything below /subscriptions."""

    def __init__(self, world: AzureWorld) -> None:
        self.world = world

    def answer(self, request: Request) -> Answer:
        """Answer one request; hold the world's lock.

        Raises:
            ArmError: it is refused.
        """
        version = self._version(request)
        operation = _OPERATION.match(request.path)
        target = paths.parse(request.path)
        self._authorize(request, target)
        if operation is not None:
            return self._poll(operation[1], request)
        if not target.provider:
            return groups.answer(self.world, target, request)
        if target.group and target.group.lower() not in self.world.groups:
            raise errors.group_not_found(target.group)
        self._check_locks(target, request.method)
        kind = self._kind(target, request.method)
        _check_version(kind, version)
        handler = _HANDLERS[request.method] if target.is_resource else _COLLECTIONS.get(request.method)
        if handler is None:
            raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed on {target.path}.")
        return handler(self, kind, target, request)

    # --- gates ---------------------------------------------------------------------------------------------------

    def _version(self, request: Request) -> str:
        version = request.query.get("api-version", "")
        if not version:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise ArmError(400, "MissingApiVersionParameter", message)
        if _VERSION.fullmatch(version) is None:
            raise ArmError(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
        return version

    def _authorize(self, request: Request, target: paths.Target) -> None:
        world = self.world
        principal = world.identities.bearer(request.headers, world.audiences)
        tenant = world.subscriptions.get(target.subscription.lower())
        if target.subscription and tenant is None:
            raise errors.subscription_not_found(target.subscription)
        if tenant is not None and tenant != principal.tenant:
            message = (
                f"The access token is from the wrong issuer. It must match the tenant '{tenant}' of this subscription."
            )
            raise ArmError(401, "InvalidAuthenticationTokenTenant", message)
        action = action_of(target, request.method)
        if not _OPERATION.match(request.path) and not principal.may(action, target.path):
            message = (
                f"The client '{principal.client}' with object id '{principal.object}' does not have authorization to "
                f"perform action '{action}' over scope '{target.path}' or the scope is invalid. "
                "If access was recently granted, please refresh your credentials."
            )
            raise ArmError(403, "AuthorizationFailed", message)

    def _check_locks(self, target: paths.Target, method: str) -> None:
        """Refuse what a management lock on the scope forbids."""
        for lock in self.world.resources.of(LOCK) if method != "GET" and target.kind.lower() != LOCK.lower() else ():
            level, scope = lock.properties.get("level"), lock.target.scope
            inside = f"{paths.key(target.path)}/".startswith(f"{paths.key(scope)}/")
            if inside and (level == "ReadOnly" or (level == "CanNotDelete" and method == "DELETE")):
                verb = "delete" if method == "DELETE" else "write"
                message = (
                    f"The scope '{target.path}' cannot perform {verb} operation because following scope(s) are locked: "
                    f"'{scope}'. Please remove the lock and try again."
                )
                raise errors.conflict(message, "ScopeLocked")

    def _kind(self, target: paths.Target, method: str) -> Kind:
        if target.is_resource:
            return self.world.kind(target.kind)
        views = method == "POST" or (len(target.names) > 0 and self.world.known_kind(target.kind) is None)
        found = self.world.known_kind(target.up().kind) if views else None
        return found or self.world.kind(target.kind)

    # --- resources -----------------------------------------------------------------------------------------------

    def _get(self, kind: Kind, target: paths.Target, request: Request) -> Answer:
        resource = self.world.resources.get(target.path)
        return Answer(200, kind.show(resource, request.query), {"ETag": resource.etag})

    def _put(self, kind: Kind, target: paths.Target, request: Request) -> Answer:
        old = self.world.resources.find(target.path)
        patch = request.method == "PATCH"
        if old is None and patch:
            raise errors.not_found(target.what(), target.group)
        self._check_parent(target)
        _check_match(old, request)
        if old is not None:
            kind.check_idle(old)
        change = Change(target, old, request.json(), request, patch)
        document = kind.accept(change)
        _check_place(self.world, kind, change, document)
        return self._begin_change(kind, change, document)

    def _check_parent(self, target: paths.Target) -> None:
        owner = target.owner()
        if not owner or target.extends or self.world.resources.find(owner) is not None:
            return
        if self.world.known_kind(paths.parse(owner).kind) is not None:
            name = paths.name_of(owner)
            message = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."
            raise ArmError(404, "ParentResourceNotFound", message)

    def _begin_change(self, kind: Kind, change: Change, document: Json) -> Answer:
        if kind.supersedes:
            self._supersede(change.target)
        resource = change.old or Resource(change.target, {})
        resource.document = document
        resource.state = "Creating" if change.old is None else "Updating"
        self.world.resources.put(resource)

        def steps() -> Steps:
            yield from kind.apply(resource, change)
            if resource.busy:
                resource.state = "Succeeded"
            return None

        operation = self._begin(change.request, steps(), resource, kind)
        statuses = kind.statuses
        status = statuses.create if change.old is None else statuses.patch if change.patch else statuses.update
        body = kind.show(resource, change.request.query)
        if kind.synchronous and operation.over:
            if operation.error is not None:
                raise operation.error
            return Answer(status, body, {"ETag": resource.etag})
        return Answer(status, body, self._headers(operation, change.request, location=status == 202))

    def _supersede(self, target: paths.Target) -> None:
        """Cancel the change of a resource that is under way."""
        for operation in self.world.operations.going:
            if paths.key(operation.place) == paths.key(target.path):
                message = f"Operation {operation.id} was canceled and superseded by another operation."
                details = [{"code": "CanceledAndSupersededDueToAnotherOperation", "message": message}]
                error = ArmError(409, "Canceled", "Operation was canceled.", details=details)
                operation.cancel(self.world.clock.now(), error)

    def _delete(self, kind: Kind, target: paths.Target, request: Request) -> Answer:
        resource = self.world.resources.find(target.path)
        if resource is None:
            return Answer(204)
        _check_match(resource, request)
        if resource.state == "Deleting":
            operation = self._begin(request, self._gone(resource), None, kind)
            return Answer(kind.statuses.delete, None, self._headers(operation, request, location=True))
        kind.check_idle(resource)
        kind.check_removal(resource)
        resource.state = "Deleting"

        def steps() -> Steps:
            yield from kind.remove(resource)
            self.world.resources.remove(resource)
            return None

        operation = self._begin(request, steps(), resource, kind)
        if kind.synchronous and operation.over:
            if operation.error is not None:
                raise operation.error
            return Answer(200)
        return Answer(kind.statuses.delete, None, self._headers(operation, request, location=True))

    def _gone(self, resource: Resource) -> Steps:
        """Wait for a deletion that is under way: a second one joins it."""
        known = self.world.resources
        yield lambda: known.find(resource.id) is not resource or resource.state != "Deleting"
        return None

    # --- collections and actions ---------------------------------------------------------------------------------

    def _list(self, kind: Kind, target: paths.Target, request: Request) -> Answer:
        whole = kind.listing(target, request)
        if whole is not None:
            return Answer(200, whole)
        if target.names:
            owner = self.world.resources.get(target.up().path)
            view = self.world.kind(owner.target.kind).read(owner, target.types[-1], request)
            if view is not None:
                return Answer(200, view)
        if target.group or target.extends:
            found = self.world.resources.below(target.path)
        else:
            found = list(self.world.resources.of(target.kind, target.subscription))
        return self._page([kind.show(one, request.query) for one in found], request)

    def _page(self, lines: list[Json], request: Request) -> Answer:
        start = int(request.query.get("$skiptoken", "0"))
        end = start + self.world.page_size
        body: Json = {"value": lines[start:end]}
        if end < len(lines):
            query = "&".join(f"{name}={value}" for name, value in request.query.items() if name != "$skiptoken")
            body["nextLink"] = f"{request.base}{request.path}?{query}&$skiptoken={end}"
        return Answer(200, body)

    def _act(self, kind: Kind, target: paths.Target, request: Request) -> Answer:
        resource = self.world.resources.get(target.up().path)
        act = Act(resource, target.types[-1].lower(), request.json(), request)
        at_once = kind.answer(act)
        if at_once is not None:
            return Answer(200, at_once)
        operation = self._begin(request, kind.act(act), None, kind)
        return Answer(202, None, self._headers(operation, request, location=True))

    # --- operations ----------------------------------------------------------------------------------------------

    def _begin(self, request: Request, steps: Steps, resource: Resource | None, kind: Kind) -> Operation:
        """Begin an operation, or one that is bound to fail.

        Raises:
            ArmError: an action refused before it changed anything.
        """
        world = self.world
        operation = Operation(request.path, steps, world.clock.now())
        if resource is not None:
            operation.on_failure = lambda: kind.failed(resource)
        doom = world.disturbances.doom(call_of(request))
        if doom is not None:
            operation.doom, operation.doomed = doom.error, world.after(doom.seconds)
        world.operations.begin(operation, world.clock.now())
        if operation.error is not None and doom is None and resource is None:
            del world.operations.known[operation.id]
            raise operation.error
        return operation

    def _headers(self, operation: Operation, request: Request, *, location: bool) -> Mapping[str, str]:
        target = paths.parse(operation.place)
        where = f"/subscriptions/{target.subscription}/providers/{target.provider}/locations/{self.world.location}"
        url = f"{request.base}{where}/operations/{operation.id}?api-version={request.query['api-version']}"
        found = {"Azure-AsyncOperation": url} | again(self.world.timings.retry_after)
        return found | ({"Location": f"{url}&monitor=true"} if location else {})

    def _poll(self, identity: str, request: Request) -> Answer:
        operation = self.world.operations.known.get(identity)
        if operation is None:
            raise ArmError(404, "NotFound", f"The operation '{identity}' could not be found.")
        later = again(self.world.timings.retry_after)
        if "monitor" not in request.query:
            return Answer(200, operation.wire(), {} if operation.over else later)
        if not operation.over:
            return Answer(202, None, later | {"Location": f"{request.base}{request.raw}"})
        if operation.error is not None:
            raise operation.error
        return Answer(204) if operation.result is None else Answer(200, operation.result)


Handler = Callable[[Arm, Kind, paths.Target, Request], Answer]
_HANDLERS: Mapping[str, Handler] = {
    "GET": Arm._get,  # noqa: SLF001 - the table belongs to the class
    "HEAD": Arm._get,  # noqa: SLF001 - likewise
    "PUT": Arm._put,  # noqa: SLF001 - likewise
    "PATCH": Arm._put,  # noqa: SLF001 - likewise
    "DELETE": Arm._delete,  # noqa: SLF001 - likewise
    "POST": Arm._act,  # noqa: SLF001 - likewise
}
_COLLECTIONS: Mapping[str, Handler] = {
    "GET": Arm._list,  # noqa: SLF001 - the table belongs to the class
    "POST": Arm._act,  # noqa: SLF001 - likewise
}


def call_of(request: Request) -> Call:
    """Name a request for the faults: service ``compute``, action ``POST virtualMachineScaleSets/delete``."""
    if not request.path.lower().startswith("/subscriptions/"):
        return Call("login", f"{request.method} token", request.body)
    target = paths.parse(request.path)
    service = target.provider.lower().removeprefix("microsoft.")
    return Call(service or "resources", f"{request.method} {'/'.join(target.types)}", request.body)


def action_of(target: paths.Target, method: str) -> str:
    """Return the action as roles name it."""
    if not target.provider:
        kind = "Microsoft.Resources/subscriptions" + ("/resourceGroups" if target.group else "")
        return f"{kind}/{ACTIONS.get(method, 'write')}"
    if method == "POST":
        return f"{target.kind}/action"
    return f"{target.kind}/{ACTIONS.get(method, 'write')}"


def _check_version(kind: Kind, version: str) -> None:
    first, last = kind.versions
    if not first <= version[:10] <= last:
        raise errors.not_acceptable_version(kind.name, version, first, last)


def _check_match(resource: Resource | None, request: Request) -> None:
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    if wanted and (resource is None or wanted not in {"*", resource.etag}):
        raise errors.precondition(wanted)
    if unwanted == "*" and resource is not None:
        raise ArmError(412, "PreconditionFailed", "The resource exists already.")


def _check_place(world: AzureWorld, kind: Kind, change: Change, document: Json) -> None:
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
