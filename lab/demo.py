"""The whole story, told by the commands that a user would type: build, load, upgrade, back up, lose, restore, drill.

    scripts/demo [--cloud azure] [--keep] [--nodes 3] [--rate 100] [--report report.html]

Exit code 0 says: no request failed, every acknowledged push is there, the cluster is STABLE on the new version; and
what was restored after an accident is exactly what had been acknowledged before the backup.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import rescue

BBDC = (sys.executable, "-m", "automation.cli")
ROOT = Path(__file__).resolve().parent.parent
START, TARGET = "7.9.0", "7.9.4"
CLOUDS = ("aws", "azure")
LEAST_RATE = 100
"""Requests a second that the roll has to bear."""


@dataclass
class Demo:
    """One telling of the story, in a lab of its own."""

    directory: Path
    nodes: int = 3
    rate: int = LEAST_RATE
    report: Path = Path("report.html")
    quiet: bool = False
    boot: float = 4.0
    """Seconds that a node takes to start."""
    snapshots: float = 1.0
    """Seconds until snapshots are completed."""
    cloud: str = "aws"
    """Where the estate stands: one of ``CLOUDS``."""
    begun: float = field(default_factory=time.monotonic)
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def say(self, text: str) -> None:
        """Print a line with the time since the beginning."""
        if not self.quiet:
            print(f"[{time.monotonic() - self.begun:6.1f} s] {text}", flush=True)

    def bbdc(self, *words: str, quiet: bool = False, check: bool = True) -> str:
        """Run one command as a user would; show it and what it says, and return that.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        self.say(f"$ bbdc {shlex.join(words)}")
        process = subprocess.Popen([*BBDC, *words], env=self.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        said = []
        for line in process.stdout or ():
            said.append(line)
            if not (quiet or self.quiet):
                print(f"           {line}", end="", flush=True)
        if process.wait() and check:
            raise subprocess.CalledProcessError(process.returncode, ["bbdc", *words], output="".join(said))
        return "".join(said)

    def up(self) -> None:
        """Build the cluster by running the Pulumi program against the lab's cloud, and take over its environment."""
        where = ("--dir", str(self.directory), *(() if self.cloud == CLOUDS[0] else ("--cloud", self.cloud)))
        shape = ("--nodes", str(self.nodes), "--version", START, "--boot", str(self.boot))
        self.bbdc("lab", "up", *where, *shape, "--snapshots", str(self.snapshots))
        for line in self.bbdc("lab", "env", "--dir", str(self.directory), quiet=True).splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.env[name] = "".join(shlex.split(value))
        self.env["BBDC_LAB_DIR"] = str(self.directory)

    def down(self) -> None:
        """End everything the lab started."""
        self.bbdc("lab", "down", "--dir", str(self.directory), quiet=True)

    @contextmanager
    def traffic(self, *options: str) -> Iterator[dict[str, Any]]:
        """Load the cluster for the time of the block; the report is in the dictionary afterwards."""
        where, found = ("--dir", str(self.directory)), dict[str, Any]()
        self.bbdc("lab", "traffic", "start", *where, "--rate", str(self.rate), *options, quiet=True)
        try:
            yield found
        finally:
            # Exit code 1 says that something failed; the verdict at the end says what.
            found |= json.loads(self.bbdc("lab", "traffic", "stop", *where, "--json", quiet=True, check=False))

    def roll(self) -> dict[str, Any]:
        """Upgrade under load; return the traffic's report."""
        self.bbdc("preflight", TARGET)
        with self.traffic() as traffic:
            self.bbdc("upgrade", TARGET, "--yes")
        summary = self.directory / "traffic" / "for-report.json"
        summary.write_text(json.dumps(traffic))
        self.bbdc("report", "--html", str(self.report.resolve()), "--traffic", str(summary), quiet=True)
        return traffic

    def verdict(self, traffic: dict[str, Any]) -> list[str]:
        """Return what is wrong with the end of the story; nothing when all is well."""
        status = json.loads(self.bbdc("status", "--json", quiet=True))
        versions = sorted({str(node["version"]) for node in status["nodes"]})
        wrong = [] if not traffic["failed"] else [f"{traffic['failed']} requests failed"]
        wrong += [] if traffic["rate"] >= LEAST_RATE else [f"only {traffic['rate']:.0f} requests a second"]
        wrong += [f"push {commit} is missing" for commit in traffic["missing"]]
        wrong += [] if status["state"] == "STABLE" and not status["upgrade_mode"] else [f"cluster {status['state']}"]
        return wrong + ([] if versions == [TARGET] else [f"nodes run {', '.join(versions)}"])


def tell(demo: Demo) -> tuple[list[str], dict[str, Any], list[str]]:
    """Tell the story to its end; return what is wrong, the roll's traffic, and what else is worth telling."""
    demo.up()
    traffic = demo.roll()
    wrong = demo.verdict(traffic)
    found = rescue.tell(demo)
    return list(dict.fromkeys(wrong + found.wrong + demo.verdict(traffic))), traffic, found.lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code says whether anything failed."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--cloud", default=CLOUDS[0], choices=CLOUDS, help="where the estate stands")
    parser.add_argument("--keep", action="store_true", help="leave the lab running, and say how to use it")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rate", type=int, default=LEAST_RATE + 10, help="requests a second")
    parser.add_argument("--report", type=Path, default=Path("report.html"))
    given = parser.parse_args(argv)
    demo = Demo(Path(tempfile.mkdtemp(prefix="bbdc-demo-")), given.nodes, given.rate, given.report, cloud=given.cloud)
    try:
        wrong, traffic, lines = tell(demo)
    except subprocess.CalledProcessError as error:
        wrong, traffic, lines = [f"{shlex.join(error.cmd)} ended with exit code {error.returncode}"], {}, []
    finally:
        _end(demo, keep=given.keep)
    return _conclude(demo, wrong, traffic, lines)


def _end(demo: Demo, *, keep: bool) -> None:
    if keep:
        demo.say(f'The lab goes on in {demo.directory}: eval "$(bbdc lab env --dir {demo.directory})"')
        return
    demo.down()
    shutil.rmtree(demo.directory, ignore_errors=True)


def _conclude(demo: Demo, wrong: list[str], traffic: dict[str, Any], lines: list[str]) -> int:
    if traffic:
        pushes = f"{traffic['pushes_verified']} of {traffic['pushes_acknowledged']} acknowledged pushes are there"
        demo.say(f"{traffic['rate']:.0f} requests a second, {pushes}; report: {demo.report.resolve().as_uri()}")
        demo.say(f"{traffic['failed']} failed of {traffic['requests']} requests")
    for line in lines:
        demo.say(line)
    for what in wrong:
        demo.say(f"WRONG: {what}")
    if not wrong:
        demo.say(f"The cluster is STABLE on {TARGET}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
