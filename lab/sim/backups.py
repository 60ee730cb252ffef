"""Drive the engine's backups through a simulated estate: processes that die, signals, and those who come after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from automation.core.backups.memory import BackupSettings, Memory
from automation.core.backups.sets import Mode
from automation.core.roll import Record
from automation.engine.backups import plan
from automation.engine.backups.recover import Recovered, finish_others, recover
from automation.engine.backups.take import Wish, nobody_stops, take
from automation.ports.safe import Safe
from lab.sim.safe import MemoryJournal, SafeEstate
from lab.sim.wires import Killed

QUICK = BackupSettings(
    lock_budget=30.0,
    complete_timeout=900.0,
    trouble_timeout=60.0,
    unlock_patience=120.0,
)
"""Settings that suit the simulated estate's pace."""
MAX_ASKED = 30_000
"""How often a run may ask whether it shall stop: it does so at every pass and at every second of a wait."""


class NeverEnded(AssertionError):
    """A backup that went on for ever."""


@dataclass(slots=True)
class Story:
    """What happened in one run."""

    memory: Memory | None
    """None when the process died."""
    records: list[Record] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Return the story, a line each, for a failed test's message."""
        start = self.records[0].at if self.records else 0.0
        for record in self.records:
            yield f"{record.at - start:8.2f} {record.kind:7} {record.name} {record.detail}"
        if self.memory is not None:
            yield f"         {self.memory.outcome}"


@dataclass(slots=True)
class Run:
    """One process that takes a set; the hooks stand for what comes from outside."""

    estate: SafeEstate
    mode: Mode = Mode.LOCKED
    settings: BackupSettings = QUICK
    safe: Safe | None = None
    """The ports through which the process takes its set; None for the estate's own, which it surveys in any case."""
    stop: Wish = nobody_stops
    before: Callable[[Record, Memory], None] = lambda _record, _memory: None
    """Called with every record: may break things."""
    finish_first: bool = False
    """Bring to an end what others left, as every run of the command does."""

    def play(self) -> Story:
        """Take a set, until its end or the process's."""
        story, safe = Story(None), self.safe or self.estate.safe
        tell, stop = self._teller(story), bounded(self.stop)
        try:
            if self.finish_first:
                finish_others(safe, self.settings, self.estate.cluster, stop=stop, tell=tell)
            begun = plan.begin(plan.survey(self.estate.safe, cluster=self.estate.cluster, mode=self.mode), by="test")
            story.memory = take(safe, self.settings, begun, stop=stop, tell=tell)
        except Killed:
            self.estate.witness.excuse()
            return story
        self.estate.witness.ended(story.memory, self.settings)
        return story

    def _teller(self, story: Story) -> Callable[[Record, Memory], None]:
        def tell(record: Record, memory: Memory) -> None:
            story.records.append(record)
            self.estate.witness.heard(record, memory)
            self.before(record, memory)

        return tell


def bounded(stop: Wish) -> Wish:
    """Return the same wish, which objects when it is asked for ever."""
    asked = iter(range(MAX_ASKED))

    def ask() -> str:
        if next(asked, None) is None:
            raise NeverEnded(f"asked {MAX_ASKED} times whether to stop")
        return stop()

    return ask


def recovered(estate: SafeEstate, settings: BackupSettings = QUICK, safe: Safe | None = None) -> Recovered:
    """Run ``recover`` in a new process, and check each of its endings."""
    stop = bounded(nobody_stops)
    found = recover(safe or estate.safe, settings, estate.cluster, stop=stop, tell=estate.witness.heard)
    for memory in found.ended:
        estate.witness.ended(memory, settings)
    return found


class MortalJournal(MemoryJournal):
    """The journal of a process that dies at one of its writes: instead of it, or right after it."""

    def __init__(self, real: MemoryJournal, *, at: int, after: bool) -> None:
        super().__init__()
        self._real, self._at, self._after, self._count = real, at, after, 0
        self.doing: list[str] = []
        """What each write said was about to be done; empty for a result."""

    def write(self, memory: Memory) -> None:
        """Write, unless the process dies first."""
        mine, self._count = self._count, self._count + 1
        self.doing.append(memory.doing)
        if mine == self._at and not self._after:
            raise Killed
        self._real.write(memory)
        if mine == self._at:
            raise Killed

    def unfinished(self, cluster: str) -> tuple[Memory, ...]:
        """Return what the real journal holds."""
        return self._real.unfinished(cluster)
