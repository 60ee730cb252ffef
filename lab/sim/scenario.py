"""Seeded random rolls: estates of all sizes, nodes that fail in every known way, operators, crashes, lost replies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from automation.core.cluster import InstanceState
from automation.core.roll import Ending, Memory, Message, MessageKind, Outcome, Plan, RollSettings, Step
from automation.core.versions import VersionRefusal
from automation.engine.upgrade import make_plan
from automation.ports.errors import BbdcError, Refused
from automation.ports.world import World
from lab.bitbucket.records import Settings as BitbucketSettings
from lab.bitbucket.records import State
from lab.sim.chaos import Chaos
from lab.sim.estate import Estate
from lab.sim.flavours import by_turns
from lab.sim.rolls import QUICK, Roll, Story
from lab.sim.scale_set import ScaleSet
from lab.sim.settings import SimSettings
from lab.sim.witness import InvariantBroken

NEW_NODE_FAULTS = ("boot_error", "never_joins", "alone", "slow_boot", "collide")
OLD, NEW = "7.9.0", "7.9.4"
_DISTURBED = 0.02
"""How likely a process that nobody suspended takes a machine, at each pass."""


@dataclass(slots=True)
class Trouble:
    """What may go wrong in one scenario, and how likely at each pass."""

    random: Random
    estate: Estate
    faults: float
    words: float
    """How likely an operator says something at each pass."""
    deaths: float
    """How likely the process dies between an act and its record."""
    kinds: tuple[MessageKind, ...] = (MessageKind.PAUSE, MessageKind.RESUME, MessageKind.ABORT, MessageKind.APPROVE)

    def before(self, memory: Memory) -> tuple[Message, ...]:
        """Break something, and perhaps say something."""
        if self.random.random() < self.faults:
            self.random.choice(breaks_of(self.estate))(self.estate, self.random)
        self._disturb()
        if memory.paused:
            return (Message(MessageKind.RESUME, "ops"),)
        if memory.waiting and memory.waiting.gate == "approval":
            return (Message(MessageKind.APPROVE, "ops"),)
        if self.random.random() < self.words:
            return (Message(self.random.choice(self.kinds), "ops"),)
        return ()

    def dies(self, step: Step) -> bool:
        """Tell whether the process dies after this pass."""
        return step.record.kind == "act" and self.random.random() < self.deaths

    def _disturb(self) -> None:
        """Let the group's own processes interfere where nobody has suspended them."""
        if self.estate.bitbucket.window is not None and self.random.random() <= _DISTURBED:
            self.estate.cloud.disturb(self.estate.clock.now())


def _new_node_fault(estate: Estate, random: Random) -> None:
    estate.bitbucket.fault(random.choice(NEW_NODE_FAULTS))


def _node_error(estate: Estate, _: Random) -> None:
    estate.bitbucket.fault("error", times=1)


def _node_crash(estate: Estate, random: Random) -> None:
    live = [n.spec.id for n in estate.bitbucket.nodes.values() if n.state is State.ACTIVE and not n.dead]
    if len(live) > 1:
        estate.bitbucket.kill(random.choice(live), estate.clock.now())


def _machine_lost(estate: Estate, random: Random) -> None:
    staying = [m for m in estate.cloud.staying() if m.state is InstanceState.IN_SERVICE]
    if len(staying) > 1:
        machine = random.choice(staying)
        estate.bitbucket.kill(machine.id, estate.clock.now())
        estate.cloud.terminate(machine, estate.clock.now())


def _agent_lost(estate: Estate, random: Random) -> None:
    random.choice(list(estate.cloud.machines.values())).commandable = False


def _stop_hangs(estate: Estate, _: Random) -> None:
    estate.bitbucket.fault("wedged_drain", times=1)


def _no_capacity(estate: Estate, random: Random) -> None:
    estate.cloud.launch_blocked_until = estate.clock.now() + random.choice((60.0, 600.0, 3000.0))


def _silent(estate: Estate, random: Random) -> None:
    if nodes := list(estate.bitbucket.nodes):
        estate.bitbucket.fault("silent", node=random.choice(nodes))


def _odd_words(estate: Estate, random: Random) -> None:
    name = random.choice(("unknown_state", "unknown_cluster_state", "extra_fields", "counts_null", "counts_absent"))
    estate.bitbucket.fault(name)


def _mended(estate: Estate, _: Random) -> None:
    for name in ("silent", "unknown_state", "unknown_cluster_state"):
        estate.bitbucket.faults.clear(name)


def _tasks_fail(estate: Estate, random: Random) -> None:
    estate.bitbucket.fault(random.choice(("tasks_fail", "approve_error", "start_error")))


BREAKS: tuple[Callable[[Estate, Random], None], ...] = (
    _new_node_fault,
    _new_node_fault,
    _node_error,
    _node_crash,
    _machine_lost,
    _agent_lost,
    _stop_hangs,
    _no_capacity,
    _silent,
    _odd_words,
    _mended,
    _mended,
    _tasks_fail,
)


def _switched_off(estate: Estate, random: Random) -> None:
    cloud = _in_place(estate)
    running = [m for m in cloud.staying() if m.state is InstanceState.IN_SERVICE]
    if len(running) > 1:
        cloud.power_off(random.choice(running), estate.clock.now())


def _deleted(estate: Estate, random: Random) -> None:
    """Somebody deletes a machine, and with it goes the capacity."""
    cloud = _in_place(estate)
    if len(cloud.staying()) > 1:
        cloud.terminate(random.choice(cloud.staying()), estate.clock.now())


def _renewed_by_somebody(estate: Estate, random: Random) -> None:
    """A machine gets another disk, and so another id, without our doing; what is in the pools stays there."""
    cloud = _in_place(estate)
    running = [m for m in cloud.staying() if m.state is InstanceState.IN_SERVICE]
    if len(running) > 1:
        cloud.reimage(random.choice(running), estate.clock.now())


def _gateway_fails(estate: Estate, random: Random) -> None:
    _in_place(estate).gateway.dooms = [True] * random.choice((1, 1, 3))


def _reimaging_fails(estate: Estate, random: Random) -> None:
    _in_place(estate).dooms = [random.choice((True, False))]


def _in_place(estate: Estate) -> ScaleSet:
    if not isinstance(estate.cloud, ScaleSet):
        raise TypeError(f"{estate.cloud!r} is no scale set")
    return estate.cloud


IN_PLACE: tuple[Callable[[Estate, Random], None], ...] = (
    *(each for each in BREAKS if each is not _machine_lost),
    _switched_off,
    _deleted,
    _renewed_by_somebody,
    _gateway_fails,
    _gateway_fails,
    _reimaging_fails,
    _reimaging_fails,
)
"""What breaks where machines are renewed in their places."""


def breaks_of(estate: Estate) -> tuple[Callable[[Estate, Random], None], ...]:
    """Return everything that may break in an estate."""
    return IN_PLACE if isinstance(estate.cloud, ScaleSet) else BREAKS


def _estate(random: Random, seed: int) -> Estate:
    bitbucket = BitbucketSettings(
        boot_seconds=random.choice((30.0, 60.0, 120.0)),
        counts=random.choice(("numbers", "null", "absent")),
        collision_chance=random.choice((0.0, 0.5, 1.0)),
    )
    settings = SimSettings(
        nodes=random.choice((2, 3, 3, 4, 5)),
        launch=random.choice((5.0, 15.0, 40.0)),
        deregistration=random.choice((0.0, 30.0, 120.0)),
        gateway=30.0 + 10.0 * (seed % 28),
        bitbucket=bitbucket,
    )
    return by_turns(seed).estate(settings, seed)


def _settings(random: Random) -> RollSettings:
    return replace(QUICK, surge=random.choice((True, False, False)), failure_budget=random.choice((0, 1, 2)))


def play(seed: int) -> tuple[Estate, Story]:
    """Play one random roll to its end, check the end, and return what happened.

    Raises:
        InvariantBroken, NeverEnded: the engine did what it must never do.
    """
    random = Random(seed)  # noqa: S311 -- repeatable chance is the point
    estate, settings = _estate(random, seed), _settings(random)
    estate.witness.floor = estate.settings.nodes - (0 if settings.surge else 1)
    chaos = Chaos(random, estate.clock, random.choice((0.0, 0.02, 0.1)), random.choice((0.0, 0.02, 0.1)), latency=0.3)
    calm = random.choice((True, False, False, False, False))
    trouble = Trouble(random, estate, 0.0 if calm else random.choice((0.01, 0.05)), 0.004, random.choice((0.0, 0.1)))
    target, limits = NEW, (estate.cloud.desired, estate.cloud.minimum, estate.cloud.maximum)
    previous: Plan | None = None
    for attempt in range(3):
        world, owns_model = chaos.over(estate.world), random.choice((True, False))
        try:
            story = _attempt(estate, world, settings, target, trouble, owns_model=owns_model, previous=previous)
        except Refused:
            break  # the upgrade was finalized already: there is no way back, and nothing was changed
        previous = story.memory.plan
        check_end(estate, story.outcome, target, limits)
        if story.outcome.ending is not Ending.PAUSED:
            break
        target = random.choice((NEW, OLD)) if attempt == 0 else target
        _person_repairs(estate)
    return estate, story


def _attempt(
    estate: Estate,
    world: World,
    settings: RollSettings,
    target: str,
    trouble: Trouble,
    *,
    owns_model: bool,
    previous: Plan | None,
) -> Story:
    for _ in range(100):
        try:
            plan = make_plan(
                world,
                settings,
                cluster="sim",
                target=target,
                planned=estate.settings.nodes,
                owns_model=owns_model,
                previous=previous,
            )
            break
        except Refused as refused:
            if refused.name in set(VersionRefusal):
                raise
            _person_repairs(estate)
        except BbdcError:
            estate.clock.sleep(30.0)
            _person_repairs(estate)
    else:
        raise InvariantBroken("the estate never came back to a state from which a roll can be planned")
    return Roll(estate, world, settings, plan, trouble.before, trouble.dies).play()


def _person_repairs(estate: Estate) -> None:
    """Do what an administrator does after a pause: clear what is broken outside the engine's reach."""
    for name in list(estate.bitbucket.faults.to_json()):
        estate.bitbucket.faults.clear(name["name"])
    estate.cloud.launch_blocked_until = 0.0
    for machine in estate.cloud.staying():
        node = estate.bitbucket.nodes.get(machine.id)
        broken = node is None or node.dead or (node.state is State.ERROR and not estate.serving())
        if machine.is_off or (machine.state is InstanceState.IN_SERVICE and broken):
            estate.cloud.repair(machine, estate.clock.now())
            estate.clock.sleep(300.0)
    estate.clock.sleep(300.0)
    estate.cloud.let_in(estate.clock.now())


def check_end(estate: Estate, outcome: Outcome, target: str, limits: tuple[int, int, int]) -> None:
    """Check what must be true when a roll has ended.

    Raises:
        InvariantBroken: it is not.
    """
    cloud, bitbucket = estate.cloud, estate.bitbucket
    problems = []
    if outcome.ending is Ending.PAUSED:
        problems += [] if outcome.reason else ["paused without a reason"]
    else:
        problems += _not_whole(estate, target, limits)
    if cloud.suspended and outcome.reason not in _NOBODY_ANSWERED:
        problems.append(f"suspended: {sorted(cloud.suspended)}")
    if bitbucket.is_split and outcome.ending is not Ending.PAUSED:
        problems.append("a node runs alone")
    if problems:
        raise InvariantBroken(f"{outcome}: {'; '.join(problems)}")


_NOBODY_ANSWERED = {"unavailable", "throttled", "unreachable", "unexpected", "conflict"}
"""Pauses because the world could not be reached at all: then nothing could be resumed either."""


def _not_whole(estate: Estate, target: str, limits: tuple[int, int, int]) -> list[str]:
    cloud, bitbucket = estate.cloud, estate.bitbucket
    problems = [] if bitbucket.window is None else ["upgrade mode is on"]
    problems += [f"{n.spec.id} runs {n.spec.version}" for n in bitbucket.nodes.values() if n.spec.version != target]
    if (cloud.desired, cloud.minimum, cloud.maximum) != limits:
        problems.append(f"capacity is {cloud.desired} in {cloud.minimum}..{cloud.maximum}, it was {limits}")
    if len(bitbucket.nodes) < estate.settings.nodes:
        problems.append(f"{len(bitbucket.nodes)} nodes are left")
    return problems
