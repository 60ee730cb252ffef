"""Deletes resources in reverse dependency order, side by side where they are independent."""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from lab.pulumi.errors import Cancelled, StepFailed
from lab.pulumi.executor import Executor
from lab.pulumi.state import State
from lab.pulumi.steps import Delete
from lab.pulumi.targets import Targets


def deletion(state: State) -> Delete:
    """The step that removes a recorded resource."""
    if state.delete:
        op = "discard-replaced" if state.external else "delete-replaced"
        return Delete(state, op=op, logical=False)
    if state.pending_replacement:
        return Delete(state, op="remove-pending-replace", logical=False)
    return Delete(state, op="discard" if state.external else "delete")


def require_dependents(doomed: list[State], staying: list[State]) -> None:
    """Refuse to delete what something else still needs.

    Raises:
        StepFailed: a resource that stays depends on one that goes.
    """
    gone = {state.urn for state in doomed}
    for state in staying:
        needed = gone & set(state.referenced())
        if state.parent in needed:
            raise StepFailed(
                f"Cannot delete parent resource '{state.parent}' without also deleting child '{state.urn}'."
            )
        if needed:
            raise StepFailed(
                f"Cannot delete resource '{min(needed)}' without also deleting '{state.urn}', which depends on it; "
                "use --target-dependents"
            )


def split(states: list[State], targets: Targets) -> tuple[list[State], list[State]]:
    """What may be deleted, and what stays because it is not a target."""
    doomed = [state for state in states if not targets.limited or state.urn in targets]
    return doomed, [state for state in states if state not in doomed]


def needed_by_protected(states: list[State]) -> set[str]:
    """URNs of protected resources and of everything they cannot be without.

    Args:
        states: in dependency order.
    """
    kept: set[str] = set()
    for state in reversed(states):
        if state.protect or state.urn in kept:
            kept.update({state.urn, *state.referenced()})
    return kept


def delete_all(states: list[State], executor: Executor, parallel: int) -> None:
    """Delete recorded states, each once nothing that needs it is left.

    Args:
        states: what to delete.
        executor: runs the steps.
        parallel: how many at a time.

    Raises:
        Cancelled: a deletion failed; those under way were waited for.
    """
    executor.world.deleting.update(state.urn for state in states)
    waiting, failure = list(states), None
    running: dict[Future[State | None], State] = {}
    with ThreadPoolExecutor(max(parallel, 1), thread_name_prefix="delete") as pool:
        while waiting or running:
            if failure is None:
                for state in _free(waiting, [*waiting, *running.values()]):
                    waiting.remove(state)
                    running[pool.submit(executor.run, deletion(state))] = state
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                running.pop(future)
                failure = failure or future.exception()
    if failure is not None:
        raise failure if isinstance(failure, Exception) else Cancelled(str(failure))


def _free(waiting: list[State], present: list[State]) -> list[State]:
    """Those that no other present state needs; in a ring of records, the last one."""
    needed = {urn for state in present for urn in state.referenced() if urn != state.urn}
    free = [state for state in waiting if state.urn not in needed]
    return free or (waiting[-1:] if len(waiting) == len(present) else [])
