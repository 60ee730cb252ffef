"""Seeded random backups: faults at every call, dying processes, signals, other administrators, nodes that join."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from automation.core.backups.memory import Memory
from automation.core.backups.sets import MemberKind, Mode, SetState
from automation.core.roll import Record
from automation.engine.backups.shelf import shelf
from automation.ports.errors import BbdcError
from lab.bitbucket.records import Settings as BitbucketSettings
from lab.sim.backups import QUICK, Run, Story, recovered
from lab.sim.chaos import Chaos
from lab.sim.flavours import by_turns
from lab.sim.safe import SafeEstate
from lab.sim.settings import SimSettings, VaultSettings
from lab.sim.wires import Mortal
from lab.sim.witness import InvariantBroken

PROCESSES = 3
"""Processes that try, one after the other."""
_UNLOCKING = 60.0
"""Seconds beyond the budget that unlocking may take with one call in five lost."""


@dataclass(slots=True)
class Trouble:
    """What may go wrong in one scenario, and how likely at each record."""

    random: Random
    estate: SafeEstate
    chance: float
    told: list[str] = field(default_factory=list)

    def before(self, _record: Record, _memory: Memory) -> None:
        """Break something."""
        if self.random.random() < self.chance:
            act = self.random.choice(BREAKS)
            self.told.append(act.__name__)
            act(self.estate, self.random)


def _somebody_locks(estate: SafeEstate, _: Random) -> None:
    if estate.locked_by is None:
        estate.somebody_locks()


def _somebody_unlocks(estate: SafeEstate, _: Random) -> None:
    estate.somebody_unlocks()


def _somebody_cancels(estate: SafeEstate, _: Random) -> None:
    estate.somebody_cancels()


def _somebody_takes_over(estate: SafeEstate, _: Random) -> None:
    estate.somebody_unlocks()
    estate.somebody_locks()


def _node_joins(estate: SafeEstate, _: Random) -> None:
    if estate.cloud.desired < estate.settings.nodes + 2:
        estate.node_joins()


def _all_restarted(estate: SafeEstate, _: Random) -> None:
    estate.bitbucket.maintenance.forget()


def _never_drains(estate: SafeEstate, random: Random) -> None:
    estate.bitbucket.fault("drain_never", what=random.choice(("scm", "database")))


def _drains(estate: SafeEstate, _: Random) -> None:
    estate.bitbucket.faults.clear("drain_never")


def _outage(estate: SafeEstate, _: Random) -> None:
    estate.maintenance.outage = not estate.maintenance.outage
    estate.witness.excuse()


def _snapshot_fails(estate: SafeEstate, random: Random) -> None:
    estate.storage.limits.failing.append(random.choice((MemberKind.DISK, MemberKind.DATABASE)))


def _quota(estate: SafeEstate, random: Random) -> None:
    estate.storage.limits.quota = random.choice((None, len(estate.storage.stored) + 1))


def _database_busy(estate: SafeEstate, random: Random) -> None:
    estate.storage.limits.database_state = random.choice(("available", "backing-up", "modifying"))


def _member_vanishes(estate: SafeEstate, random: Random) -> None:
    unfinished = [s.id for s in estate.storage.stored.values() if s.tags.get("backup-state") != SetState.COMPLETE]
    if unfinished:
        del estate.storage.stored[random.choice(unfinished)]


def _logs_lost(estate: SafeEstate, random: Random) -> None:
    estate.logs.readable = random.choice((True, False))


BREAKS: tuple[Callable[[SafeEstate, Random], None], ...] = (
    _somebody_locks,
    _somebody_unlocks,
    _somebody_cancels,
    _somebody_takes_over,
    _node_joins,
    _all_restarted,
    _never_drains,
    _drains,
    _outage,
    _outage,
    _snapshot_fails,
    _quota,
    _database_busy,
    _member_vanishes,
    _logs_lost,
)


def _estate(random: Random, seed: int) -> SafeEstate:
    bitbucket = BitbucketSettings(
        boot_seconds=random.choice((2.0, 10.0)),
        scm_drain_seconds=random.choice((0.0, 2.0, 12.0)),
        lock_check_seconds=random.choice((3.0, 10.0)),
    )
    vaults = VaultSettings(
        home_volumes=random.choice((1, 2, 4)),
        mesh_volumes=random.choice((0, 0, 3)),
        pushes=random.choice((0.5, 20.0)),
        database_begins=random.choice((0.0, 0.0, 1.3, 8.0)),
        listing_lag=random.choice((0.0, 0.0, 2.0)),
        log_lag=random.choice((None, 5.0, 300.0)),
        clock_offset=random.choice((0.0, -2.0, 40.0)),
    )
    return by_turns(seed).safe(SimSettings(nodes=2, launch=1.0, bitbucket=bitbucket), vaults, seed)


def play(seed: int) -> tuple[SafeEstate, list[Story]]:
    """Let some processes back an estate up in all weathers, then ``recover`` in calm; check everything.

    Raises:
        InvariantBroken, NeverEnded: the engine did what it must never do.
    """
    random = Random(seed)  # noqa: S311 -- repeatable chance is the point
    estate = _estate(random, seed)
    chaos = Chaos(random, estate.clock, random.choice((0.0, 0.02, 0.1)), random.choice((0.0, 0.02, 0.1)), latency=0.1)
    trouble = Trouble(random, estate, random.choice((0.0, 0.02, 0.1)))
    estate.witness.longest = QUICK.lock_budget + _UNLOCKING
    stories = [_process(estate, random, chaos, trouble) for _ in range(PROCESSES)]
    _calm(estate)
    recovered(estate)
    _check(estate)
    return estate, stories


def _process(estate: SafeEstate, random: Random, chaos: Chaos, trouble: Trouble) -> Story:
    """One process, which may die at any call and hear a signal at any time."""
    safe = chaos.over(estate.safe)
    if random.random() < 0.4:  # noqa: PLR2004 -- a chance
        safe = Mortal(random.randrange(10, 90), after=random.choice((True, False))).over(safe)
    signal = estate.clock.now() + random.choice((1.0, 3.0, 10.0, 60.0)) if random.random() < 0.3 else None  # noqa: PLR2004 -- a chance
    run = Run(
        estate,
        random.choice((Mode.LOCKED, Mode.LOCKED, Mode.ZERO_DOWNTIME)),
        safe=safe,
        stop=lambda: "TERM" if signal is not None and estate.clock.now() >= signal else "",
        before=trouble.before,
        finish_first=True,
    )
    try:
        return run.play()
    except BbdcError:
        # Refused or unreachable before anything was begun: somebody repairs, the next process tries.
        _calm(estate)
        return Story(None)
    finally:
        estate.clock.sleep(random.choice((0.0, 30.0, 3000.0)))


def _calm(estate: SafeEstate) -> None:
    """Do what administrators do afterwards: everything but unlock what we locked."""
    estate.maintenance.outage, estate.logs.readable = False, True
    estate.storage.limits.quota, estate.storage.limits.database_state = None, "available"
    estate.storage.limits.failing.clear()
    estate.bitbucket.faults.clear()
    if estate.locked_by not in {None, estate.maintenance.name}:
        estate.somebody_unlocks()
    estate.witness.excuse()
    estate.clock.sleep(200.0)


def _check(estate: SafeEstate) -> None:
    there = shelf(estate.safe)
    if estate.locked_by is not None:
        raise InvariantBroken(f"after recover Bitbucket is locked by {estate.locked_by}")
    if left := estate.journal.unfinished(estate.cluster):
        raise InvariantBroken(f"after recover these are not over: {[m.backup.id for m in left]}")
    estate.witness.left_behind(there)
    estate.witness.nothing_half_done(there)
