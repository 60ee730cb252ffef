"""Carry out one decided act: each is one guarded, idempotent call of one port."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from automation.core.cluster import Observation
from automation.core.decision import Act, ActName
from automation.core.roll import Memory
from automation.ports.errors import NotFound
from automation.ports.world import World

Doer = Callable[[World, Act, Memory, Observation], None]


def perform(world: World, act: Act, memory: Memory, seen: Observation) -> None:
    """Do ``act`` to what was ``seen``.

    Raises:
        BbdcError: the other side refused or did not answer; whether it was done, the next observation tells.
    """
    DOERS[act.name](world, act, memory, seen)


def _stop(world: World, act: Act, memory: Memory, _: Observation) -> None:
    key = f"{memory.plan.cluster}:{memory.plan.started:.0f}:{act.subject}"
    try:
        world.host.stop_bitbucket(act.subject, key=key)
    except NotFound:
        # A machine that cannot be commanded is out of the balancer and gets shut down altogether when it is replaced.
        return


def _set_model(world: World, act: Act, memory: Memory, _: Observation) -> None:
    world.group.set_version(memory.plan.target, observed=act.version)


def _limit(world: World, _: Act, memory: Memory, __: Observation) -> None:
    world.group.limit(memory.plan.minimum, memory.plan.maximum)


def _memory_only(_: World, __: Act, ___: Memory, ____: Observation) -> None:
    return


DOERS: Mapping[ActName, Doer] = {
    ActName.SUSPEND_PROCESSES: lambda world, act, *_: world.group.suspend(act.processes),
    ActName.RESUME_PROCESSES: lambda world, act, *_: world.group.resume(act.processes),
    ActName.START_UPGRADE: lambda world, *_: world.bitbucket.start_upgrade(),
    ActName.SET_MODEL: _set_model,
    ActName.RESIZE: lambda world, act, _, seen: world.group.resize(act.number, observed=seen.group.desired),
    ActName.DEREGISTER: lambda world, act, *_: world.balancer.deregister(act.subject),
    ActName.REGISTER: lambda world, act, *_: world.balancer.register(act.subject),
    ActName.STOP_BITBUCKET: _stop,
    ActName.REPLACE: lambda world, act, *_: world.group.replace(act.subject, act.version),
    ActName.RETIRE: lambda world, act, *_: world.group.retire(act.subject, act.version),
    ActName.CONDEMN: _memory_only,
    ActName.APPROVE: lambda world, *_: world.bitbucket.approve_upgrade(),
    ActName.CANCEL: lambda world, *_: world.bitbucket.cancel_upgrade(),
    ActName.RESTORE_LIMITS: _limit,
}
