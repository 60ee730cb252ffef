"""The second half of the demo: backups under load, an accident, a restore and a drill, told by a user's commands.

What is claimed is checked here against the list of acknowledged pushes, with git itself: everything that was
acknowledged before the backup is there after the restore, and nothing is half there.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.traffic.check import Checked, check
from lab.traffic.committers import read_pushes

if TYPE_CHECKING:
    from lab.demo import Demo

LOCKED, FREE = "before-the-accident", "while-all-work"
RESTORED = "rescued"
PUSHES = 10
"""Pushes a second while sets are taken."""


@dataclass
class Rescue:
    """What the second half has found out."""

    wrong: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """What is worth telling at the end."""


def tell(demo: Demo) -> Rescue:
    """Tell the second half to its end."""
    found = Rescue()
    traffic = _back_up(demo, found)
    ledger = demo.directory / "traffic" / traffic["run"] / "pushes.jsonl"
    damage(demo.directory)
    demo.say("An accident: repositories are gone, others are damaged, and so is the database")
    demo.bbdc("restore", LOCKED, "--to", RESTORED, "--yes")
    _check_home(demo, ledger, found)
    for name in (LOCKED, FREE):
        demo.bbdc("drill", name)
    return found


def _back_up(demo: Demo, found: Rescue) -> dict[str, Any]:
    """Take a set of each kind under load."""
    demo.bbdc("backup", "create", "--dry-run")
    with demo.traffic("--pushes", str(PUSHES)) as traffic:
        demo.bbdc("backup", "create", "--name", LOCKED)
        demo.bbdc("backup", "create", "--zero-downtime", "--name", FREE)
    if traffic["failed"]:
        found.wrong.append(f"{traffic['failed']} requests failed while sets were taken")
    lock, free = _manifest(demo, LOCKED)["lock"], _manifest(demo, FREE)
    seconds, beyond = lock["seconds"], lock["beyond_drain_seconds"]
    found.lines.append(f"locked backup: users locked out for {seconds:.2f} s, {beyond:.2f} s of it beyond the drain")
    found.lines.append(f"backup without a lock: its members lie {free['skew_seconds']:.3f} s apart")
    return traffic


def damage(directory: Path) -> None:
    """Destroy data of a lab as an accident does: by one hand, on all sides, under a running Bitbucket."""
    home = shared_home(directory)
    repositories = sorted((home / "data" / "repositories").iterdir(), key=lambda place: int(place.name))
    for number, place in enumerate(repositories):
        for pack in place.glob("objects/pack/*.pack"):
            if number % 3 == 0:
                pack.chmod(0o644)
                pack.write_bytes(b"\0" * pack.stat().st_size)
            elif number % 3 == 1:
                pack.unlink()
    for file in (directory / "databases").glob("*/*.sqlite"):
        with closing(sqlite3.connect(file, timeout=20)) as database, database:
            database.execute("DELETE FROM activity")
            database.execute("DELETE FROM repositories WHERE id % 4 = 0")


def shared_home(directory: Path) -> Path:
    """Return the shared home that the lab's file server has mounted.

    Raises:
        FileNotFoundError: none has.
    """
    for machine in (directory / "instances").iterdir():
        place = machine / "root" / "srv" / "bitbucket-dc" / "shared"
        if place.exists():
            return place.resolve()
    raise FileNotFoundError(f"no machine of the lab in {directory} has mounted a shared home")


def _check_home(demo: Demo, ledger: Path, found: Rescue) -> None:
    """Hold the restored repositories against the list of acknowledged pushes.

    The moment is that at which all was drained: a node that has not heard of the lock yet may take a push meanwhile.
    """
    moment = datetime.fromisoformat(_manifest(demo, LOCKED)["lock"]["drained"]).timestamp()
    seen = check(read_pushes(ledger), shared_home(demo.directory) / "data" / "repositories", moment)
    found.wrong += _complaints(seen)
    found.lines.append(
        f"restored: all of {seen.acknowledged_before} pushes acknowledged until the lock was drained, "
        f"and none of those after, in {seen.repositories} whole repositories"
    )


def _complaints(seen: Checked) -> list[str]:
    wrong = [f"push {push.commit} was acknowledged until the lock was drained and is gone" for push in seen.missing]
    wrong += [f"push {push.commit} came after the lock was drained and is there" for push in seen.later]
    wrong += [f"repository {name} is damaged: {said}" for name, said in seen.damaged.items()]
    return wrong + ([] if seen.acknowledged_before else ["no push was acknowledged until the lock was drained"])


def _manifest(demo: Demo, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(demo.bbdc("backup", "show", name, "--json", quiet=True).splitlines()[-1])
    return shown
