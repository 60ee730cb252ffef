"""The shell of virtual time, which knows a restore's scripts, as a subject of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.sim.restore_ports import SimShell
from lab.sim.restores import RestoreWorld
from tests.contracts.shell_subjects import ShellSubject


@dataclass
class SimShellHands:
    """``shell_subjects.ShellHands`` over the pure world."""

    world: RestoreWorld

    def nodes(self) -> tuple[str, ...]:
        """Return two of the machines."""
        return tuple(self.world.machines)[:2]

    def unit(self, node: str) -> str:
        """Return what the unit does."""
        self.world.clock.sleep(60)
        return "active" if self.world.machines[node].unit in {"starting", "running"} else "inactive"

    def gone(self) -> str:
        """Return an id that nobody has."""
        return "i-gone"

    @contextmanager
    def deaf(self, *machines: str) -> Iterator[None]:
        """Disconnect the agents."""
        for name in machines:
            self.world.machines[name].commandable = False
        yield
        for name in machines:
            self.world.machines[name].commandable = True

    @contextmanager
    def off(self) -> Iterator[str]:
        """Let one machine not run."""
        node = self.world.machines[self.nodes()[1]]
        self.world.switch_off(node)
        yield node.id


@contextmanager
def shell_sim(_: Path) -> Iterator[ShellSubject]:
    """Yield the simulated port."""
    world = RestoreWorld()
    yield ShellSubject(SimShell(world), SimShellHands(world))
