"""The engine's own provider, package `pulumi`: stack references, and stashes that keep a value in the state."""

from collections.abc import Callable
from dataclasses import dataclass

from lab.pulumi.diff import Changes, Diff
from lab.pulumi.errors import ProviderError
from lab.pulumi.providers import InvokeResult, ReadResult
from lab.pulumi.state import State
from lab.pulumi.urns import type_of
from lab.pulumi.values import PropertyMap, has_secret

STACK_REFERENCE, STASH = "pulumi:pulumi:StackReference", "pulumi:index:Stash"


@dataclass(frozen=True, slots=True)
class BuiltinProvider:
    """Reads other stacks' outputs; keeps what is put into a stash.

    Attributes:
        stack_outputs: the outputs of a stack named `stack`, `project/stack` or `organization/project/stack`.
    """

    stack_outputs: Callable[[str], PropertyMap]

    def check(self, urn: str, old: PropertyMap | None, new: PropertyMap, seed: bytes) -> PropertyMap:  # noqa: ARG002 - the port's signature
        """Accept a stack reference and a stash; nothing else is built in."""
        if type_of(urn) not in {STACK_REFERENCE, STASH}:
            raise ProviderError(f"built-in resource type '{type_of(urn)}' is not supported by this engine", urn)
        return new

    def diff(self, old: State, new: PropertyMap, ignore: tuple[str, ...]) -> Diff:  # noqa: ARG002 - the port's signature
        """Another name is another reference. A stash takes another input without changing what it keeps."""
        if type_of(old.urn) == STASH:
            same = old.inputs.get("input") == new.get("input")
            return Diff(Changes.NONE) if same else Diff(Changes.SOME, ("input",))
        if old.inputs.get("name") == new.get("name"):
            return Diff(Changes.NONE)
        return Diff(Changes.SOME, ("name",), ("name",))

    def create(self, urn: str, inputs: PropertyMap, *, preview: bool, timeout: float) -> tuple[str, PropertyMap]:  # noqa: ARG002 - the port's signature
        """Resolve the reference, or begin to keep the input."""
        if type_of(urn) == STASH:
            kept = {"input": inputs.get("input"), "output": inputs.get("input")}
            return urn.rpartition("::")[2], kept
        found = self.read(urn, str(inputs["name"]), inputs, {})
        return found.id, found.outputs

    def update(self, old: State, inputs: PropertyMap, *, preview: bool, timeout: float) -> PropertyMap:  # noqa: ARG002 - the port's signature
        """Resolve the reference again; a stash goes on keeping its first input."""
        if type_of(old.urn) == STASH:
            return {"input": inputs.get("input"), "output": old.outputs.get("output")}
        return self.read(old.urn, str(inputs["name"]), inputs, {}).outputs

    def delete(self, state: State, timeout: float) -> None:
        """Forget the reference: nothing was made."""

    def read(self, urn: str, identity: str, inputs: PropertyMap, outputs: PropertyMap) -> ReadResult:
        """The other stack's outputs as they are now; a stash is nowhere but in the state."""
        if type_of(urn) == STASH:
            return ReadResult(identity, inputs, outputs)
        found = self.stack_outputs(identity)
        secret = [key for key, value in found.items() if has_secret(value)]
        return ReadResult(
            identity, {"name": identity}, {"name": identity, "outputs": found, "secretOutputNames": secret}
        )

    def invoke(self, token: str, arguments: PropertyMap, *, preview: bool) -> InvokeResult:  # noqa: ARG002 - the port's signature
        """There are no built-in functions."""
        raise ProviderError(f"built-in function '{token}' is not supported by this engine")
