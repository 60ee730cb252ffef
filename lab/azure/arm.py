"""Azure Resource Manager: who may do what to which resource, and how changes, deletions and actions are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lab.azure import errors, fixed, gates, groups, paths, polling, principals, providers
from lab.azure.errors import ArmError
from lab.azure.identities import Principal
from lab.azure.kinds import Act, Change, Kind
from lab.azure.messages import Answer, Json, Request
from lab.azure.operations import Steps
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld


class Arm:
    """Answers everything below /subscriptions."""

    def __init__(self, world: AzureWorld) -> None:
        self.world = world

    def answer(self, request: Request) -> Answer:
        """Answer one request; hold the world's lock.

        Raises:
            ArmError: it is refused.
        """
        version = gates.version_of(request)
        above = _ABOVE.get(request.path.strip("/").lower())
        if above is not None:
            return Answer(200, above(self.world, gates.caller(self.world, request)))
        operation = gates.OPERATION.match(request.path)
        target = paths.parse(request.path)
        gates.authorize(self.world, request, target)
        if operation is not None:
            return polling.poll(self.world, operation[1], request)
        if not target.provider or not target.types:
            return groups.answer(self.world, target, request)
        if target.group and target.group.lower() not in self.world.groups:
            raise errors.group_not_found(target.group)
        gates.check_locks(self.world, target, request.method)
        kind = self._kind(target, request.method)
        gates.check_version(kind, version)
        handler = _HANDLERS[request.method] if target.is_resource else _COLLECTIONS.get(request.method)
        if handler is None:
            raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed on {target.path}.")
        return handler(self, kind, target, request)

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
        gates.check_parent(self.world, target)
        gates.check_match(old, request)
        if old is not None:
            kind.check_idle(old)
        change = Change(target, old, request.json(), request, patch)
        fixed.check(old, request.json())
        document = kind.accept(change)
        gates.check_place(self.world, kind, change, document)
        return self._begin_change(kind, change, document)

    def _begin_change(self, kind: Kind, change: Change, document: Json) -> Answer:
        if kind.supersedes:
            polling.supersede(self.world, change.target)
        resource = change.old or Resource(change.target, {})
        resource.document = document
        principals.assign(self.world, resource)
        resource.state = "Creating" if change.old is None else "Updating"
        self.world.resources.put(resource)

        def steps() -> Steps:
            yield from kind.apply(resource, change)
            if resource.busy:
                resource.state = "Succeeded"
            return kind.show(resource, change.request.query)

        operation = polling.begin(self.world, change.request, steps(), resource, kind)
        statuses = kind.statuses
        status = statuses.create if change.old is None else statuses.patch if change.patch else statuses.update
        body = kind.show(resource, change.request.query)
        if kind.synchronous and operation.over:
            if operation.error is not None:
                raise operation.error
            return Answer(status, body, {"ETag": resource.etag})
        return Answer(status, body, polling.headers(self.world, operation, change.request, location=status == 202))

    def _delete(self, kind: Kind, target: paths.Target, request: Request) -> Answer:
        resource = self.world.resources.find(target.path)
        if resource is None:
            return Answer(204)
        gates.check_match(resource, request)
        if resource.state == "Deleting":
            operation = polling.begin(self.world, request, self._gone(resource), None, kind)
            return Answer(kind.statuses.delete, None, polling.headers(self.world, operation, request, location=True))
        kind.check_idle(resource)
        kind.check_removal(resource)
        resource.state = "Deleting"

        def steps() -> Steps:
            yield from kind.remove(resource)
            self.world.resources.remove(resource)
            return None

        operation = polling.begin(self.world, request, steps(), resource, kind)
        if kind.synchronous and operation.over:
            if operation.error is not None:
                raise operation.error
            return Answer(200)
        return Answer(kind.statuses.delete, None, polling.headers(self.world, operation, request, location=True))

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
        return _page([kind.show(one, request.query) for one in found], request, self.world.page_size)

    def _act(self, kind: Kind, target: paths.Target, request: Request) -> Answer:
        asked = kind.ask(target, request)
        if asked is not None:
            return Answer(200, asked)
        resource = self.world.resources.get(target.up().path)
        act = Act(resource, target.types[-1].lower(), request.json(), request)
        at_once = kind.answer(act)
        if at_once is not None:
            return Answer(200, at_once)
        operation = polling.begin(self.world, request, kind.act(act), None, kind)
        return Answer(202, None, polling.headers(self.world, operation, request, location=True))


_ABOVE: Mapping[str, Callable[[AzureWorld, Principal], Json]] = {
    "subscriptions": providers.subscriptions,
    "tenants": lambda _, who: providers.tenants(who),
}
"""What stands above subscriptions: everybody who has signed in may ask."""
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


def _page(lines: list[Json], request: Request, size: int) -> Answer:
    start = int(request.query.get("$skiptoken", "0"))
    end = start + size
    body: Json = {"value": lines[start:end]}
    if end < len(lines):
        body["nextLink"] = f"{request.base}{quote(request.path)}?{urlencode(dict(request.query) | {'$skiptoken': end})}"
    return Answer(200, body)
