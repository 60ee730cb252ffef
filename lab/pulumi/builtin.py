"""The engine's own provider, package `pulumi`: stack references."""

from collections.abc import Callable
from dataclasses import dataclass

from lab.pulumi.diff import Changes, Diff
from lab.pulumi.errors import ProviderError
from lab.pulumi.providers import InvokeResult, ReadResult
from lab.pulumi.state import State
from lab.pulumi.urns import type_of
from lab.pulumi.values import PropertyMap, has_secret

STACK_REFERENCE = "pulumi:pulumi:StackReference"


@dataclass(frozen=True, slots=True)
class BuiltinProvider:
    """Reads other stacks' outputs.

    Attributes:
        stack_outputs: the outputs of a stack named `stack`, `project/stack` or `organization/project/stack`.
    """

    stack_outputs: Callable[[str], PropertyMap]

    def check(self, urn: str, old: PropertyMap | None, new: PropertyMap, seed: bytes) -> PropertyMap:  # noqa: ARG002 - the port's signature
        """Accept a stack reference; nothing else is built in."""
        if type_of(urn) != STACK_REFERENCE:
            raise ProviderError(f"built-in resource type '{type_of(urn)}' is not supported by this engine", urn)
        return new

    def diff(self, old: State, new: PropertyMap, ignore: tuple[str, ...]) -> Diff:  # noqa: ARG002 - the port's signature
        """Another name is another reference."""
        if old.inputs.get("name") == new.get("name"):
            return Diff(Changes.NONE)
        return Diff(Changes.SOME, ("name",), ("name",))

    def create(self, urn: str, inputs: PropertyMap, *, preview: bool, timeout: float) -> tuple[str, PropertyMap]:  # noqa: ARG002 - the port's signature
        """Resolve the reference."""
        found = self.read(urn, str(inputs["name"]), inputs, {})
        return found.id, found.outputs

    def update(self, old: State, inputs: PropertyMap, *, preview: bool, timeout: float) -> PropertyMap:  # noqa: ARG002 - the port's signature
        """Resolve the reference again."""
        return self.read(old.urn, str(inputs["name"]), inputs, {}).outputs

    def delete(self, state: State, timeout: float) -> None:
        """Forget the reference: nothing was made."""

    def read(self, urn: str, identity: str, inputs: PropertyMap, outputs: PropertyMap) -> ReadResult:  # noqa: ARG002 - the port's signature
        """The other stack's outputs as they are now."""
        found = self.stack_outputs(identity)
        secret = [key for key, value in found.items() if has_secret(value)]
        return ReadResult(
            identity, {"name": identity}, {"name": identity, "outputs": found, "secretOutputNames": secret}
        )

    def invoke(self, token: str, arguments: PropertyMap, *, preview: bool) -> InvokeResult:  # noqa: ARG002 - the port's signature
        """There are no built-in functions."""
        raise ProviderError(f"built-in function '{token}' is not supported by this engine")
