"""Stack outputs, from this stack's checkpoint or another's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.pulumi.backend import ORGANIZATION
from lab.pulumi.errors import ProviderError
from lab.pulumi.secrets import Crypter, read_passphrase
from lab.pulumi.state import State
from lab.pulumi.urns import STACK_TYPE
from lab.pulumi.values import PropertyMap

if TYPE_CHECKING:
    from lab.pulumi.workspace import Workspace


def root_outputs(resources: list[State]) -> PropertyMap:
    """The outputs of the stack resource."""
    for state in resources:
        if state.type == STACK_TYPE and not state.delete:
            return state.outputs
    return {}


def raw_outputs(deployment: Mapping[str, Any]) -> PropertyMap:
    """The outputs in a checkpoint, secrets still encrypted."""
    for resource in deployment.get("resources") or ():
        if resource["type"] == STACK_TYPE and not resource.get("delete"):
            return dict(resource.get("outputs") or {})
    return {}


def referenced_outputs(workspace: "Workspace", name: str) -> PropertyMap:
    """The outputs of the stack a StackReference names.

    Args:
        workspace: whose backend and passphrase to use.
        name: `stack`, `project/stack` or `organization/project/stack`.

    Raises:
        ProviderError: there is no such stack.
    """
    parts = name.split("/")
    if len(parts) > 2 and parts[0] != ORGANIZATION:
        raise ProviderError(f"unknown stack \"{name}\": a file backend's organization is '{ORGANIZATION}'")
    project = parts[-2] if len(parts) > 1 else workspace.project.name
    if not workspace.backend.path(parts[-1], project).is_file():
        raise ProviderError(f'unknown stack "{name}"')
    deployment = workspace.backend.read(parts[-1], project)
    salt = ((deployment.get("secrets_providers") or {}).get("state") or {}).get("salt")
    outputs = raw_outputs(deployment)
    if salt is None:
        return outputs
    opened: PropertyMap = Crypter(lambda: read_passphrase(workspace.session.env), salt).unseal(outputs)
    return opened
