"""One decision a pass of a restore. Pure.

Two phases. *Beside*: the new data is made while users work on. *Swap*: Bitbucket stops on all nodes, the program moves
the estate to the new data, and nodes come back one at a time. Until ``activate`` nothing that is in use has changed;
after it the way back is the same swap with the names exchanged.
"""

from __future__ import annotations

from automation.core.cluster import Instance, InstanceState
from automation.core.restores.memory import (
    Act,
    ActName,
    Decision,
    Ending,
    Finish,
    Memory,
    Outcome,
    RestoreSettings,
    Sight,
    Wait,
)


def decide(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision:
    """Return the next act, the gate that is waited for, or the end."""
    if memory.plan.generation is not None and not memory.declared:
        return Act(ActName.DECLARE, memory.plan.target)
    if memory.plan.prepare_only:
        return Finish(Outcome(Ending.PREPARED))
    if not memory.suspended:
        return Act(ActName.SUSPEND_PROCESSES)
    if memory.activated is None:
        return _stop(memory, seen, settings)
    if not memory.prepared:
        return Act(ActName.PREPARE_HOME)
    return _start(memory, seen, settings)


def _stop(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision:
    """No node may write into the old data any more, and none may find the new data half there."""
    for instance in _staying(seen):
        if instance.id not in memory.stopped:
            return Act(ActName.STOP_BITBUCKET, instance.id)
    answering = sorted(i.id for i in _staying(seen) if seen.statuses.get(i.id) is not None)
    if not answering:
        return Act(ActName.ACTIVATE, memory.plan.target)
    if seen.at - (memory.stopping_since or seen.at) > settings.stop_timeout:
        detail = f"Bitbucket still answers on {', '.join(answering)}; nothing was swapped"
        return Finish(Outcome(Ending.PAUSED, "still_running", detail))
    return Wait("all_stopped", ", ".join(answering))


def _start(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision:
    """Bring the nodes back one at a time: the first one checks the data, and its troubles must not come threefold."""
    old = [i for i in _staying(seen) if not _is_new(i, memory)]
    new = [i for i in _staying(seen) if _is_new(i, memory)]
    coming = len(new) < len(memory.replaced) or any(i.id not in seen.serving for i in new)
    if coming:
        return _wait_for_node(memory, seen, settings, new)
    if new and not memory.checking_ended:
        return Act(ActName.END_CHECKING)
    if old:
        return Act(ActName.REPLACE, old[0].id, old[0].version)
    if len(new) < seen.group.desired:
        return _wait_for_node(memory, seen, settings, new)
    if not memory.resumed:
        return Act(ActName.RESUME_PROCESSES)
    return Finish(Outcome(Ending.RESTORED))


def _wait_for_node(memory: Memory, seen: Sight, settings: RestoreSettings, new: list[Instance]) -> Decision:
    absent = ", ".join(i.id for i in new if i.id not in seen.serving) or "the next machine"
    if memory.waiting_since is not None and seen.at - memory.waiting_since > settings.boot_timeout:
        return Finish(Outcome(Ending.PAUSED, "node_not_serving", f"{absent} does not serve; see its log"))
    return Wait("node_serving", absent)


def _staying(seen: Sight) -> list[Instance]:
    return [i for i in seen.group.instances if i.state is not InstanceState.TERMINATING]


def _is_new(instance: Instance, memory: Memory) -> bool:
    """Machines launched since the swap were made from the new model."""
    return instance.launched is None or instance.launched > (memory.activated or 0.0)
