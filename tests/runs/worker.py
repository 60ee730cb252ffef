"""A process that drives a scripted run: ``python -m tests.runs.worker STATE JOURNAL LENGTH TARGET [DATABASE_URL]``."""

from __future__ import annotations

import sys
from pathlib import Path

from automation.adapters.clock import SystemClock
from automation.adapters.runs.runs import Runs
from automation.adapters.runs.store import Store
from tests.runs.scripted import Scripted, plan


def main(state: str, journal: str, length: str, target: str, url: str = "") -> None:
    engine = Scripted(Path(journal), length=int(length), delay=0.02)
    with Runs(Store(Path(state), url or None), "alpha", engine, clock=SystemClock()) as runs:
        run = runs.open(plan(target=target))
        sys.stdout.write(f"{run}\n")
        outcome = runs.wait(run, "finished")
        sys.stdout.write(f"{outcome.ending.value if outcome else 'none'}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
