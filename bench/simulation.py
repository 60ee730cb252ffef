"""Count seeded random rolls in virtual time: python -m bench.simulation [--seconds 60] [--from SEED].

Each roll meets faults at every call; a broken invariant ends the bench with the seed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from lab.sim.scenario import play


def batch(first: int, count: int) -> Counter[str]:
    """Play some rolls; returns how they ended."""
    endings: Counter[str] = Counter()
    for seed in range(first, first + count):
        try:
            _, story = play(seed)
        except AssertionError as broken:
            raise RuntimeError(f"seed {seed}: {broken}") from broken
        endings[f"{story.outcome.ending} {story.outcome.reason}".strip()] += 1
    return endings


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--rolls", type=int, default=2000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    given = parser.parse_args()
    begun, size = time.perf_counter(), 50
    endings: Counter[str] = Counter()
    with ProcessPoolExecutor(cpu_count()) as pool:
        firsts = range(given.first, given.first + given.rolls, size)
        for ended in pool.map(batch, firsts, [size] * len(firsts)):
            endings += ended
    seconds = time.perf_counter() - begun
    rolls = endings.total()
    print(json.dumps({"rolls": rolls, "per_minute": round(60 * rolls / seconds), "endings": dict(endings)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
