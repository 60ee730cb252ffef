"""Long-running operations on the wire: how they begin, where clients ask after them, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.azure import paths
from lab.azure.errors import ArmError
from lab.azure.kinds import Kind
from lab.azure.messages import Answer, Request, again
from lab.azure.operations import Operation, Steps
from lab.azure.ports import Call
from lab.azure.resources import Resource

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld


def begin(world: AzureWorld, request: Request, steps: Steps, resource: Resource | None, kind: Kind) -> Operation:
    """Begin an operation, or one that is bound to fail.

    Raises:
        ArmError: an action refused before it changed anything.
    """
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


def headers(world: AzureWorld, operation: Operation, request: Request, *, location: bool) -> Mapping[str, str]:
    """Return where a client asks after an operation."""
    target = paths.parse(operation.place)
    where = f"/subscriptions/{target.subscription}/providers/{target.provider}/locations/{world.location}"
    url = f"{request.base}{where}/operations/{operation.id}?api-version={request.query['api-version']}"
    found = {"Azure-AsyncOperation": url} | again(world.timings.retry_after)
    return found | ({"Location": f"{url}&monitor=true"} if location else {})


def poll(world: AzureWorld, identity: str, request: Request) -> Answer:
    """Answer a client that asks. Raises ArmError: there is no such operation, or Location shows its failure."""
    operation = world.operations.known.get(identity)
    if operation is None:
        raise ArmError(404, "NotFound", f"The operation '{identity}' could not be found.")
    later = again(world.timings.retry_after)
    if "monitor" not in request.query:
        return Answer(200, operation.wire(), {} if operation.over else later)
    if not operation.over:
        return Answer(202, None, later | {"Location": f"{request.base}{request.raw}"})
    if operation.error is not None:
        raise operation.error
    return Answer(204) if operation.result is None else Answer(200, operation.result)


def supersede(world: AzureWorld, target: paths.Target) -> None:
    """Cancel the change of a resource that is under way."""
    for operation in world.operations.going:
        if paths.key(operation.place) == paths.key(target.path):
            message = f"Operation {operation.id} was canceled and superseded by another operation."
            details = [{"code": "CanceledAndSupersededDueToAnotherOperation", "message": message}]
            error = ArmError(409, "Canceled", "Operation was canceled.", details=details)
            operation.cancel(world.clock.now(), error)


def call_of(request: Request) -> Call:
    """Name a request for the faults: service ``compute``, action ``POST virtualMachineScaleSets/delete``."""
    if not request.path.lower().startswith("/subscriptions/"):
        return Call("login", f"{request.method} token", request.body)
    target = paths.parse(request.path)
    service = target.provider.lower().removeprefix("microsoft.")
    return Call(service or "resources", f"{request.method} {'/'.join(target.types)}", request.body)
