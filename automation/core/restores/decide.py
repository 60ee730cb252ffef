"""One decision a pass of a restore. Pure.

Two phases. *Beside*: the new data is made while users work on. *Swap*: Bitbucket stops on all nodes, the program moves
the estate to the new data, and nodes come back one at a time. Until ``activate`` nothing that is in use has changed,
and the restore can be called off; after it the way back is the same swap with the names exchanged.

No machine is made between the first stop and the end of ``activate``: one that came from the old model would run on
the old database, and on the new shared home. So every machine of the swap is known, and whoever comes later is new.
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
    if memory.calling_off:
        return _call_off(memory, seen, settings)
    return _beside(memory) or _swap(memory, seen, settings)


def _beside(memory: Memory) -> Decision | None:
    if memory.plan.generation is not None and not memory.declared:
        return Act(ActName.DECLARE, memory.plan.target)
    return Finish(Outcome(Ending.PREPARED)) if memory.plan.prepare_only else None


def _swap(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision:
    if not memory.suspended:
        return Act(ActName.SUSPEND_PROCESSES)
    if memory.activated is None:
        return _stop(memory, seen, settings)
    if not memory.prepared:
        return Act(ActName.PREPARE_HOME)
    if not memory.launching:
        return Act(ActName.ALLOW_LAUNCH)
    return (
        _resize(memory, seen)
        or _admit(memory, seen)
        or _wait(memory, seen, settings, ", ".join(_coming(memory, seen)))
        or _end_checking(memory, seen)
        or _again(memory, seen, settings)
        or _wait(memory, seen, settings, awaited(memory, seen))
        or _start(memory, seen)
    )


def _stop(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision:
    """No node may write into the old data any more, and none may find the new data half there."""
    for instance in _staying(memory, seen):
        if instance.id not in memory.stopped:
            return Act(ActName.STOP_BITBUCKET, instance.id)
    running = ", ".join(sorted(i.id for i in seen.group.instances if _may_write(i, memory, seen)))
    if not running:
        return Act(ActName.ACTIVATE, memory.plan.target)
    if memory.stopping_since is not None and seen.at - memory.stopping_since > settings.stop_timeout:
        detail = f"Bitbucket still runs on {running}; nothing was swapped"
        return Finish(Outcome(Ending.PAUSED, "still_running", detail))
    return Wait("all_stopped", running)


def _may_write(instance: Instance, memory: Memory, seen: Sight) -> bool:
    """Tell whether Bitbucket may run there: it answers, or it is a machine that goes and was not stopped by us."""
    return seen.statuses.get(instance.id) is not None or instance.id not in memory.stopped


def _resize(memory: Memory, seen: Sight) -> Decision | None:
    """Have as many machines as before: where deleting one lowers the capacity, nobody else makes its successor."""
    if seen.capabilities.keeps_capacity or seen.group.desired >= memory.plan.nodes:
        return None
    return Act(ActName.RESIZE, str(memory.plan.nodes))


def _admit(memory: Memory, seen: Sight) -> Decision | None:
    """Put a new node into the balancer as soon as it has joined, and not before: alone it would be a second cluster."""
    if seen.capabilities.registers_by_itself:
        return None
    for instance in _staying(memory, seen):
        if _is_new(instance, memory) and instance.id in seen.joined - seen.registered:
            return Act(ActName.REGISTER, instance.id)
    return None


def _again(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision | None:
    """Tell a machine once more to go that was told, and is still there: clouds accept orders that fail later.

    The wait for its successor goes on, and has its end.
    """
    if memory.waiting_since is None or seen.at - memory.waiting_since <= settings.again:
        return None
    going = {InstanceState.TERMINATING, InstanceState.PENDING}
    told = (i for i in seen.group.instances if i.id in memory.replaced and i.state not in going)
    first = next(told, None)
    return None if first is None else Act(ActName.REPLACE, first.id, first.version)


def _end_checking(memory: Memory, seen: Sight) -> Decision | None:
    """One node checks the data; whoever starts after it must not check it again."""
    staying = _staying(memory, seen)
    nobody = not staying and not awaited(memory, seen)
    checked = any(_is_new(instance, memory) for instance in staying)
    return Act(ActName.END_CHECKING) if not memory.checking_ended and (checked or nobody) else None


def _wait(memory: Memory, seen: Sight, settings: RestoreSettings, missing: str) -> Decision | None:
    if not missing:
        return None
    if memory.waiting_since is not None and seen.at - memory.waiting_since > settings.boot_timeout:
        return Finish(Outcome(Ending.PAUSED, "node_not_serving", f"{missing} does not serve; see its log"))
    return Wait("node_serving", missing)


def _start(memory: Memory, seen: Sight) -> Decision:
    """Bring the nodes back one at a time: the first one checks the data, and its troubles must not come threefold."""
    old = [instance for instance in _staying(memory, seen) if not _is_new(instance, memory)]
    if old:
        return Act(ActName.REPLACE, old[0].id, old[0].version)
    if not memory.resumed:
        return Act(ActName.RESUME_PROCESSES)
    return Finish(Outcome(Ending.RESTORED))


def _call_off(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision:
    """Undo what came before the swap; whether the nodes serve as well as before is not this restore's business."""
    for instance in _staying(memory, seen) if memory.suspended else ():
        if instance.id not in memory.started:
            return _not_together(memory, seen, settings) or Act(ActName.START_BITBUCKET, instance.id)
    if not memory.resumed:
        return Act(ActName.RESUME_PROCESSES)
    return Finish(Outcome(Ending.CALLED_OFF))


def _not_together(memory: Memory, seen: Sight, settings: RestoreSettings) -> Decision | None:
    """Let the node that was started last come up first: of two that start at the same moment, one may fail."""
    since, present = memory.waiting_since, {instance.id for instance in _staying(memory, seen)}
    if since is None or not memory.started or seen.at - since > settings.start_timeout:
        return None
    last = memory.started[-1]
    return Wait("node_up", last) if last in present and seen.statuses.get(last) in {None, "STARTING"} else None


def awaited(memory: Memory, seen: Sight) -> str:
    """Name the new nodes that are on their way after the swap; empty when nobody is waited for."""
    if memory.activated is None or not memory.launching:
        return ""
    fewer = len(_staying(memory, seen)) < seen.group.desired
    return ", ".join(_coming(memory, seen)) or ("the next machine" if fewer else "")


def _coming(memory: Memory, seen: Sight) -> list[str]:
    """Return the new machines that do not serve yet."""
    return [i.id for i in _staying(memory, seen) if _is_new(i, memory) and i.id not in seen.serving]


def _staying(memory: Memory, seen: Sight) -> list[Instance]:
    """Return the machines that are not on their way out, nor were told to go."""
    going = InstanceState.TERMINATING
    return [i for i in seen.group.instances if i.state is not going and i.id not in memory.replaced]


def _is_new(instance: Instance, memory: Memory) -> bool:
    return instance.id not in memory.stopped
