"""Look for every acknowledged push: fetch its branch afresh through the front door and find the commit in it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from lab.traffic.git import Git, GitFailed
from lab.traffic.ledger import Verification
from lab.traffic.people import Repository
from lab.traffic.report import Push

ATTEMPTS = 3
"""The load is over; that the server cannot be asked is another finding than a missing commit."""


async def verify(git: Git, folder: Path, pushes: Sequence[Push]) -> Verification:
    """Return which acknowledged pushes are there.

    A push is there when its commit is reachable from the branch that it was pushed to. ``git fetch`` proves on the way
    that all objects behind it came along.
    """
    verified, missing, errors = 0, [], []
    ordered = sorted(pushes, key=lambda push: push.repository)
    for repository, group in groupby(ordered, key=lambda push: push.repository):
        mine = list(group)
        try:
            commits = await _commits(git, folder, repository, {push.branch for push in mine})
        except GitFailed as error:
            errors.append(f"{repository}: {error}")
            continue
        lost = [push for push in mine if push.commit not in commits.get(push.branch, frozenset())]
        missing += lost
        verified += len(mine) - len(lost)
    return Verification(verified, tuple(missing), "; ".join(errors) or None)


async def _commits(git: Git, folder: Path, repository: str, branches: set[str]) -> dict[str, frozenset[str]]:
    """Return the commits of each branch that exists, from a copy made just now."""
    for attempt in range(1, ATTEMPTS + 1):
        place = folder / f"verify-{quote(repository, safe='')}.git"
        shutil.rmtree(place, ignore_errors=True)
        try:
            return await _fetch(git, place, repository, branches)
        except GitFailed:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(1)
    raise AssertionError  # the loop above returns or raises


async def _fetch(git: Git, place: Path, repository: str, branches: set[str]) -> dict[str, frozenset[str]]:
    project, _, slug = repository.partition("/")
    url = git.url(Repository(project, slug).clone_path)
    listed = (await git.run("ls-remote", "--heads", url)).splitlines()
    there = branches & {line.partition("\trefs/heads/")[2] for line in listed}
    await git.run("init", "--quiet", "--bare", str(place))
    if not there:
        return {}
    wanted = [f"refs/heads/{branch}:refs/heads/{branch}" for branch in sorted(there)]
    await git.run("fetch", "--quiet", "--no-tags", url, *wanted, cwd=place)
    return {
        branch: frozenset((await git.run("rev-list", f"refs/heads/{branch}", cwd=place)).split()) for branch in there
    }
