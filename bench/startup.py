"""How long the command line takes to answer: ``python -m bench.startup [--json]``. Wanted: ``--help`` within 150 ms."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

TIMES = 9
LINES = (("--help",), ("--version",), ("upgrade", "--help"))


def milliseconds(*words: str) -> float:
    """Return the median wall time of one command line, started as a user starts it."""
    command = [str(Path(sys.executable).with_name("bbdc")), *words]
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def main() -> None:
    """Measure and print."""
    figures = {" ".join(words): round(milliseconds(*words), 1) for words in LINES}
    if "--json" in sys.argv[1:]:
        print(json.dumps(figures))
        return
    for line, figure in figures.items():
        print(f"bbdc {line:<15} {figure:7.1f} ms")


if __name__ == "__main__":
    main()
