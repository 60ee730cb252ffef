"""Measure backups in the lab: python -m bench.backup [--cloud azure] [--json] [--snapshots 60] [--mesh 3] [--runs 3].

The last line of ``--json`` is one object: lock_beyond_drain_s, skew_s, polls_per_s, members, peak_rss_mib.
``lock_beyond_drain_s`` is the whole time from asking for the lock until it was given back, less what Bitbucket itself
takes to drain (the lab's Bitbucket is idle and takes exactly as long as it is told); the worst of the runs.
``polls_per_s`` counts the looks at Bitbucket while users are locked out.
``skew_s`` is what lies between the members of a set taken without the lock, by the cloud's clock; the worst too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from lab.bitbucket.fabric import LAB_SETTINGS
from lab.demo import CLOUDS, ROOT, Demo

DRAIN = max(LAB_SETTINGS.database_drain_seconds, LAB_SETTINGS.scm_drain_seconds)
"""Seconds that the lab's idle Bitbucket drains for."""
_GROUND = {"aws": "bench.ground", "azure": "bench.ground_azure"}
_ITS_OWN = ("AWS_", "AZURE_", "BBDC_RESOURCE_GROUP", "REQUESTS_CA_BUNDLE")
"""Variables with which a cloud's own API is reached."""


def measure(demo: Demo, mesh: int, runs: int) -> dict[str, Any]:
    """Build a lab with a shared home and ``mesh`` more disks, take sets in both modes, and return the figures."""
    demo.up()
    os.environ.update({name: value for name, value in demo.env.items() if name.startswith(_ITS_OWN)})
    # Imported late: each cloud's SDK is needed for that cloud only.
    import_module(_GROUND[demo.cloud]).add_mesh(demo.env["BBDC_CLUSTER"], mesh)
    locked = [_take(demo.env, "locked") for _ in range(runs)]
    free = [_take(demo.env, "zero-downtime") for _ in range(runs)]
    return {
        "lock_beyond_drain_s": round(max(run["lock_s"] for run in locked) - DRAIN, 3),
        "lock_s": [round(run["lock_s"], 3) for run in locked],
        "drain_s": DRAIN,
        "skew_s": round(max(run["skew_s"] for run in free), 3),
        "skew_locked_s": round(max(run["skew_s"] for run in locked), 3),
        "polls_per_s": round(max(run["looks"] / run["lock_s"] for run in locked), 2),
        "members": min(run["members"] for run in (*locked, *free)),
        "endings": sorted({run["ending"] for run in (*locked, *free)}),
        "peak_rss_mib": round(max(run["peak_rss_mib"] for run in (*locked, *free)), 1),
    }


def _take(env: dict[str, str], mode: str) -> dict[str, Any]:
    """Take a set in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.take", mode], env=env, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__)
    parser.add_argument("--json", action="store_true", help="say nothing but one JSON object on the last line")
    parser.add_argument("--snapshots", type=float, default=60.0, help="seconds until snapshots are completed")
    parser.add_argument("--mesh", type=int, default=3, help="disks beside that of the shared home")
    parser.add_argument("--runs", type=int, default=1, help="sets of each kind")
    parser.add_argument("--cloud", default=CLOUDS[0], choices=CLOUDS)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bbdc-bench-"))
    report, snapshots = directory / "report.html", given.snapshots
    demo = Demo(directory, report=report, quiet=given.json, snapshots=snapshots, cloud=given.cloud)
    try:
        figures = measure(demo, given.mesh, given.runs)
    finally:
        subprocess.run([sys.executable, "-m", "lab.cli", "down", "--dir", str(directory)], check=False)
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(figures, indent=None if given.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
