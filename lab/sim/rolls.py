"""Drive the engine's own passes through a simulated estate, with crashes, operators and a Pulumi program that lags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from automation.core.roll import Memory, Message, Outcome, Plan, Record, RollSettings, Step
from automation.core.versions import same_version
from automation.engine.upgrade import advance, begin
from automation.ports.world import World
from lab.sim.estate import Estate
from lab.sim.wires import Killed

QUICK = RollSettings(
    soak=15.0,
    drain_timeout=300.0,
    stop_timeout=60.0,
    boot_timeout=400.0,
    task_timeout=400.0,
    gate_timeout=900.0,
    trouble_timeout=200.0,
    poll=10.0,
)
"""Settings that suit the simulated estate's pace."""

MAX_PASSES = 4000


class NeverEnded(AssertionError):
    """A roll that neither finished nor paused."""


@dataclass(slots=True)
class Story:
    """What happened in one roll."""

    outcome: Outcome
    memory: Memory
    records: list[Record] = field(default_factory=list)
    passes: int = 0


@dataclass(slots=True)
class Roll:
    """One run of the engine over an estate; the hooks are called around every pass."""

    estate: Estate
    world: World
    settings: RollSettings
    plan: Plan
    before: Callable[[Memory], tuple[Message, ...]] = lambda _: ()
    """Called before a pass: may break things, and may bring operators' words."""
    dies: Callable[[Step], bool] = lambda _: False
    """Tells whether the process dies after this pass's act and before its record."""

    def play(self) -> Story:
        """Make passes until the roll ends; a pass whose process died is made again from the memory before it."""
        memory, records = begin(self.plan), list[Record]()
        for passes in range(1, MAX_PASSES):
            self._pulumi(memory)
            step = self._pass(memory)
            if step is None:
                self.estate.clock.sleep(1.0)
                continue
            memory = step.memory
            if not step.record.says_the_same_as(records[-1] if records else None):
                records.append(step.record)
            if step.outcome:
                return Story(step.outcome, memory, records, passes)
            self.estate.clock.sleep(step.wait)
        raise NeverEnded(records[-3:])

    def _pass(self, memory: Memory) -> Step | None:
        """Make one pass; None when the process died in it, or before it had written anything down."""
        try:
            step = advance(self.world, self.settings, memory, self.before(memory))
        except Killed:
            return None
        return None if self.dies(step) else step

    def _pulumi(self, memory: Memory) -> None:
        """Stand in for the Pulumi program: it changes the model once the upgrade is open."""
        cloud, target = self.estate.cloud, self.plan.target
        if memory.opened and not self.plan.owns_model and not same_version(cloud.model, target):
            self.estate.witness.changes_model(cloud)
            cloud.model = target


def story_lines(story: Story) -> Iterator[str]:
    """Return the story, a line each, for a failed test's message."""
    start = story.memory.plan.started
    for record in story.records:
        what = f"{record.kind:7} {record.name} {record.subject} {record.detail}"
        yield f"{record.at - start:8.1f} {what} [{record.state}]"
