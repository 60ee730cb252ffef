"""Restores played in the pure world: as the same command does it again and again, until nothing is left to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from automation.core.backups.sets import BackupSet, Member, MemberKind, Mode, SetState
from automation.core.cluster import InstanceState
from automation.core.restores.memory import ActName, Ending, Memory, RestoreSettings
from automation.core.roll import Record
from automation.engine.restores import begin, plan
from automation.engine.restores.swap import drive
from automation.ports.errors import BbdcError
from automation.ports.restoring import Restoring
from lab.sim.chaos import Chaos
from lab.sim.restore_ports import Died, over_wires, restoring
from lab.sim.restores import RestorePace, RestoreWorld, SimNode
from lab.sim.vaults import HOME
from lab.sim.witness import InvariantBroken

QUICK = RestoreSettings(stop_timeout=120.0, boot_timeout=300.0, trouble_timeout=120.0, poll=10.0)
"""Settings that suit the pure world's pace."""
MAX_TRIES = 200
SET = BackupSet(
    id="20261121-100000-000",
    cluster="sim",
    mode=Mode.LOCKED,
    state=SetState.COMPLETE,
    created=1_600_000_000.0,
    version="7.9.0",
    account=HOME[0],
    region=HOME[1],
    members=(
        Member(MemberKind.DISK, "vol-1", "snap-1", role="shared-home"),
        Member(MemberKind.DATABASE, "db-1", "db-snap-1", role="database"),
    ),
)


class NeverEnded(AssertionError):
    """The same command was given again and again, and never came to an end."""


@dataclass(slots=True)
class Operator:
    """Gives commands, over and over, as somebody does who reads what they answer."""

    world: RestoreWorld
    at: Restoring
    repairs: Callable[[], None] = lambda: None
    """What is done before a command that paused is given again."""
    tell: Callable[[Record, Memory], None] = lambda _record, _memory: None
    acts: list[str] = field(default_factory=list)
    """Every act, in order, whatever command brought it about."""

    def restore(self, target: str, *, prepare_only: bool = False) -> Memory:
        """``bbdc restore SET --to TARGET``, until it ends."""

        def once() -> Memory:
            left = begin.going_on(self.at, "sim", target, SET.id)
            if left is None:
                planned = plan.prospect(self.at, SET, target, cluster="sim", prepare_only=prepare_only)
                left = begin.begin(planned)
            return left

        return self._until_it_ends(once)

    def switch(self, target: str) -> Memory:
        """``bbdc restore --to TARGET``, until it ends."""

        def once() -> Memory:
            left = begin.going_on(self.at, "sim", target)
            return left or begin.begin(plan.switch(self.at, target, cluster="sim"))

        return self._until_it_ends(once)

    def undo(self) -> Memory:
        """``bbdc restore --undo``, until it ends."""
        return self._until_it_ends(lambda: begin.backwards(self.at, "sim")[0])

    def _until_it_ends(self, once: Callable[[], Memory]) -> Memory:
        begun: Memory | None = None
        for _ in range(MAX_TRIES):
            try:
                begun = once()
                drive(self.at, QUICK, begun, tell=self.hear)
            except (Died, BbdcError):
                self.world.clock.sleep(3.0)
            newest = self.at.journal.newest("sim")
            if newest is not None and newest.is_over and begun is not None and newest.plan == begun.plan:
                return newest
            self.repairs()
        raise NeverEnded(self.acts[-5:])

    def hear(self, record: Record, memory: Memory) -> None:
        """Note what a pass did."""
        if record.kind == "act":
            self.acts.append(record.name)
        self.tell(record, memory)


def check_end(world: RestoreWorld, memory: Memory, before: set[str]) -> None:
    """Check what must be true when a restore has ended.

    Raises:
        InvariantBroken: it is not.
    """
    problems = []
    if world.suspended != before:
        problems.append(f"suspended: {sorted(world.suspended)}, it was {sorted(before)}")
    if memory.outcome is not None and memory.outcome.ending is Ending.RESTORED:
        problems += _not_restored(world, memory)
    if any(each.checking for name, each in world.data.items() if name == world.wanted):
        problems.append("integrity checking is on")
    if problems:
        raise InvariantBroken(f"{memory.outcome}: {'; '.join(problems)}")


def _not_restored(world: RestoreWorld, memory: Memory) -> list[str]:
    target = memory.plan.target
    problems = [] if world.wanted == world.attached == world.model == target else [f"not everything is on {target}"]
    serving = [node.id for node in world.serving() if node.database == target]
    problems += [] if len(serving) == world.desired == len(world.staying()) else [f"only {serving} serve"]
    problems += [f"{world.data[target].locks} stale locks"] if world.data[target].locks else []
    return problems


def play(seed: int, *, in_place: bool = False) -> tuple[RestoreWorld, Operator]:
    """Play one random story to its end, and check every end in it.

    Args:
        seed: another story for each.
        in_place: whether machines are renewed where they stand.

    Raises:
        InvariantBroken, NeverEnded: the engine did what it must never do.
    """
    random = Random(seed)  # noqa: S311 -- repeatable chance is the point
    pace = RestorePace(nodes=random.choice((1, 2, 3, 4)), boot=random.choice((30.0, 60.0)))
    world = RestoreWorld(pace, in_place=in_place)
    world.suspended = set(random.choice(((), sorted(world.disturbing)[-1:])))
    before = set(world.suspended)
    faults = random.choice((0.0, 0.004, 0.02))
    chaos = Chaos(random, world.clock, faults, random.choice((0.0, 0.01)), latency=0.2)
    plain = restoring(world, (SET,))
    mess = _Mess(world, random, random.choice((0.0, 0.02)))
    plain.program.between = mess.between  # type: ignore[attr-defined]  # the port of the pure world has it
    plain.journal.around = mess.around  # type: ignore[attr-defined]  # as above
    plain.group.between = mess.die  # type: ignore[attr-defined]  # as above
    operator = Operator(world, over_wires(plain, chaos), mess.repaired, mess.disturb)
    memory = operator.restore("march", prepare_only=random.choice((True, False, False)))
    check_end(world, memory, before)
    for _ in range(random.choice((0, 1, 2))):
        back = memory.activated is not None and random.choice((True, False))
        memory = operator.undo() if back else operator.switch({"march": "original"}.get(world.wanted, "march"))
        check_end(world, memory, before)
    return world, operator


_DISTURBED = 0.1
"""How likely something goes wrong after a record."""
_IN_PLACE = ("renewal", "off")
"""What goes wrong only where machines are renewed in place."""
_LAST = {ActName.RESUME_PROCESSES}
"""After it, whoever is taken by the group itself is none of the restore's business."""


@dataclass(slots=True)
class _Mess:
    """Kills the process, breaks nodes, loses agents."""

    world: RestoreWorld
    random: Random
    deaths: float
    losses: float = 0.1

    def between(self, _: str) -> None:
        """Lose a machine in the middle of an update, or kill it."""
        if self.random.random() < self.losses and self.world.staying():
            self.world.lose(self.random.choice(self.world.staying()))
            self.world.clock.sleep(60.0)
        self.die()

    def die(self, _: str = "") -> None:
        """Kill the process between two steps."""
        if self.random.random() < self.deaths * 5:
            raise Died

    def around(self, _: bool) -> None:  # noqa: FBT001 -- before or after a write
        """Kill the process."""
        if self.random.random() < self.deaths:
            raise Died

    def disturb(self, record: Record, _: Memory) -> None:
        """Break something, now and then."""
        world, machines = self.world, self.world.staying()
        if record.kind == "finish" or not machines or self.random.random() > _DISTURBED:
            return
        what = self.random.choice(
            ("start", "stop", "agent", "machine", "group", *(_IN_PLACE if world.in_place else ()))
        )
        if what == "start":
            world.broken_starts = 1
        elif what == "stop":
            world.hanging_stops = 1
        elif what == "agent":
            self.random.choice(machines).commandable = False
        elif what == "renewal":
            world.failing_renewals = 1
        elif what == "off":
            self._switch_off(self.random.choice(machines))
        elif record.name not in _LAST and (what == "machine" or not world.suspended >= world.disturbing):
            world.lose(self.random.choice(machines))

    def _switch_off(self, machine: SimNode) -> None:
        """Switch a stopped machine off: one that serves is not what a swap meets."""
        if machine.held and machine.state is InstanceState.IN_SERVICE:
            self.world.switch_off(machine)

    def repaired(self) -> None:
        """Do what a person does after a pause."""
        self.deaths /= 2
        self.world.broken_starts = self.world.hanging_stops = self.world.failing_renewals = 0
        for machine in self.world.staying():
            machine.commandable = True
            if machine.unit == "broken" or machine.state is InstanceState.UNKNOWN:
                self.world.lose(machine)
            elif self.random.random() < _DISTURBED and machine.database == self.world.wanted == self.world.attached:
                machine.held = False
                self.world.start(machine)
        self.world.clock.sleep(60.0)
