"""Measure one roll in the lab: python -m bench.roll [--cloud azure] [--json] [--rate 110] [--nodes 3].

The last line of ``--json`` is one object: efficiency, requests, failed, bitbucket_calls_per_node, cloud_calls_per_node,
peak_rss_mib. ``efficiency`` is the wall time of the roll divided by the sum of the nodes' own drain, stop, boot and
join times; 1.0 is the limit while one node moves at a time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.nodes_time import read, slots
from lab.demo import CLOUDS, ROOT, TARGET, Demo

BOOT = 20.0
"""Seconds that a node takes to start: nearer to a real one than the demo's, and still no coffee break."""


def measure(demo: Demo) -> dict[str, Any]:
    """Build a lab, load it, roll it from Python (the third way in), and return the figures."""
    demo.up()
    with demo.traffic() as traffic:
        run = _roll(demo.env)
    nodes = slots(read(demo.directory / "log" / "events.jsonl"))
    return {
        "efficiency": round(run["seconds"] / sum(node.total for node in nodes), 3),
        "seconds": round(run["seconds"], 1),
        "nodes_own_seconds": [round(node.total, 1) for node in nodes],
        "ending": run["ending"],
        "requests": traffic["requests"],
        "failed": traffic["failed"],
        "rate": round(traffic["rate"], 1),
        "bitbucket_calls_per_node": round(run["bitbucket"] / len(nodes), 1),
        "cloud_calls_per_node": round(run["cloud"] / len(nodes), 1),
        "peak_rss_mib": round(run["peak_rss_mib"], 1),
    }


def _roll(env: dict[str, str]) -> dict[str, Any]:
    """Run the roll in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.drive", TARGET], env=env, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench.roll", description=__doc__)
    parser.add_argument("--json", action="store_true", help="say nothing but one JSON object on the last line")
    parser.add_argument("--rate", type=int, default=110)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--cloud", default=CLOUDS[0], choices=CLOUDS)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bbdc-bench-"))
    report = directory / "report.html"
    demo = Demo(directory, given.nodes, given.rate, report, quiet=given.json, boot=BOOT, cloud=given.cloud)
    try:
        figures = measure(demo)
    finally:
        subprocess.run([sys.executable, "-m", "lab.cli", "down", "--dir", str(directory)], check=False)
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(figures, indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
