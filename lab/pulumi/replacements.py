"""Delete-before-create replacements: which dependents must go first."""

from lab.pulumi.state import State
from lab.pulumi.steps import World
from lab.pulumi.values import UNKNOWN


def _unknown_inputs(state: State, replaced: set[str]) -> dict[str, object]:
    """The inputs, unknown where they come from a replaced resource."""
    affected = {key for key, urns in state.property_dependencies.items() if replaced & set(urns)}
    return {key: UNKNOWN if key in affected else value for key, value in state.inputs.items()}


def _must_go(state: State, replaced: set[str], world: World) -> bool:
    if state.deleted_with in replaced:
        return True
    if not replaced & set(state.referenced()):
        return False
    inputs = _unknown_inputs(state, replaced)
    if inputs == state.inputs:
        return False
    return world.provider(state).diff(state, inputs, ()).replace


def dependents_to_replace(root: State, recorded: list[State], world: World) -> list[State]:
    """Resources that cannot outlive a resource that is deleted before its replacement exists.

    These are the ones whose provider would replace them if what they take from it were to change.

    Args:
        root: the resource to be deleted.
        recorded: old states in dependency order.
        world: the providers.

    Returns:
        In dependency order, without the root.
    """
    replaced, found = {root.urn}, []
    for state in recorded:
        if state is root or not state.custom or state.is_provider or state.external:
            continue
        if state.delete or state.pending_replacement:
            continue
        if _must_go(state, replaced, world):
            found.append(state)
            replaced.add(state.urn)
    return found
