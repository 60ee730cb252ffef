"""Compare a copy of the repositories with what was acknowledged: ``python -m lab.traffic.check``.

    python -m lab.traffic.check --ledger DIR/traffic/<run>/pushes.jsonl --repositories COPY/data/repositories --before T

A copy that was made at the moment T must hold every push that was acknowledged before T, and none that began after it;
what was under way at T may be in it or not. A push is there when its commit is reachable from the branch that it was
pushed to. Every repository must pass ``git fsck --connectivity-only``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.traffic.committers import read_pushes
from lab.traffic.report import Push

_ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What a copy holds of what was acknowledged."""

    repositories: int
    acknowledged_before: int
    """Pushes that were acknowledged before T: all of them must be there."""
    missing: tuple[Push, ...] = ()
    """Those of them that are not."""
    under_way: tuple[Push, ...] = ()
    """Pushes that had begun before T, were acknowledged after it, and are there."""
    later: tuple[Push, ...] = ()
    """Pushes that began after T and are there all the same."""
    damaged: dict[str, str] = field(default_factory=dict)
    """What ``git fsck`` said, by the directory's name."""

    @property
    def good(self) -> bool:
        """True when the copy is whole, and of the moment T."""
        return not (self.missing or self.later or self.damaged)


def check(pushes: Sequence[Push], repositories: Path, before: float) -> Checked:
    """Compare ``pushes`` with the bare repositories in a directory; ``before`` is T in Unix seconds.

    Which repository a push belongs to is found by its branch, because on the disk repositories have numbers for names.
    """
    places = [place for place in sorted(repositories.iterdir()) if (place / "HEAD").exists()]
    commits = _commits(places, {push.branch for push in pushes})
    there = {push for push in pushes if push.commit in commits.get(push.branch, frozenset())}
    earlier = [push for push in pushes if push.time < before]
    after = [push for push in pushes if push.time >= before and push in there]
    return Checked(
        repositories=len(places),
        acknowledged_before=len(earlier),
        missing=tuple(push for push in earlier if push not in there),
        under_way=tuple(push for push in after if push.began < before),
        later=tuple(push for push in after if push.began >= before),
        damaged={place.name: said for place in places if (said := _damage(place))},
    )


def _commits(places: Sequence[Path], branches: set[str]) -> dict[str, frozenset[str]]:
    """Return the commits of each branch that one of the repositories has."""
    found: dict[str, frozenset[str]] = {}
    for place in places:
        listed = _git(place, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").stdout.split()
        for branch in branches.intersection(listed):
            found[branch] = frozenset(_git(place, "rev-list", f"refs/heads/{branch}").stdout.split())
    return found


def _damage(place: Path) -> str:
    """Return what is wrong with a repository; empty when nothing is."""
    said = _git(place, "fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    return "" if said.returncode == 0 else f"{said.stdout}{said.stderr}".strip() or f"exit code {said.returncode}"


def _git(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = _ENVIRONMENT | {"PATH": os.environ.get("PATH", os.defpath), "GIT_DIR": str(place)}
    return subprocess.run(["git", *words], env=environment, capture_output=True, text=True, check=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison as JSON; 0 when the copy is good, 1 when it is not."""
    parser = argparse.ArgumentParser(prog="python -m lab.traffic.check", description=__doc__.splitlines()[0])
    parser.add_argument("--ledger", type=Path, required=True, help="pushes.jsonl of a run")
    parser.add_argument("--repositories", type=Path, required=True, help="directory of bare repositories")
    parser.add_argument("--before", type=float, required=True, help="moment of the copy, Unix seconds")
    given = parser.parse_args(arguments)
    if not given.ledger.is_file() or not given.repositories.is_dir():
        parser.error(f"no such file or directory: {given.ledger}, {given.repositories}")
    found = check(read_pushes(given.ledger), given.repositories, given.before)
    sys.stdout.write(json.dumps(asdict(found) | {"good": found.good}, indent=1) + "\n")
    return 0 if found.good else 1


if __name__ == "__main__":
    sys.exit(main())
