"""Clones and pushes: people with working copies."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lab.traffic.git import Git
from lab.traffic.people import Repository
from lab.traffic.report import Push

MOST_AT_ONCE = 8
"""Clones, and working copies to push from, at the same time; more wait, and their waiting counts as latency."""


class Cloner:
    """Clones repositories into a folder and removes them again."""

    def __init__(self, git: Git, folder: Path, repositories: Sequence[Repository], chance: random.Random) -> None:
        self._git = git
        self._folder = folder
        self._repositories = repositories
        self._chance = chance
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._number = 0

    def choose(self) -> Repository:
        """Return the repository to clone next."""
        return self._chance.choice(self._repositories)

    async def clone(self, repository: Repository) -> None:
        """Clone with a working tree. Raises GitFailed."""
        self._number += 1
        place = self._folder / f"clone-{self._number}"
        async with self._places:
            try:
                await self._git.run("clone", "--quiet", self._git.url(repository.clone_path), str(place))
            finally:
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


class Copy:
    """One bare copy of a repository, with a branch of its own that grows by a commit for each push."""

    def __init__(self, git: Git, place: Path, repository: Repository, branch: str) -> None:
        self.repository = repository
        self.branch = branch
        self._git = git
        self._place = place
        self._tip: str | None = None
        self._made = False
        self._number = 0

    async def push(self) -> Push:
        """Commit a change and push it; returning means that the server has acknowledged it. Raises GitFailed."""
        if not self._made:
            await self._make()
        commit = await self._commit()
        reference, began = f"refs/heads/{self.branch}", time.time()
        await self._git.run("push", "--quiet", "origin", f"{reference}:{reference}", cwd=self._place)
        return Push(time.time(), self.repository.name, self.branch, commit, began)

    async def _make(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)  # left by a clone that failed
        await self._git.run("clone", "--quiet", "--bare", self._git.url(self.repository.clone_path), str(self._place))
        tips = await self._git.run("for-each-ref", "--count=1", "--format=%(objectname)", "refs/heads", cwd=self._place)
        self._tip = tips.strip() or None
        self._made = True

    async def _commit(self) -> str:
        """Add a commit to the branch, without a working tree; return its id."""
        self._number += 1
        text = f"push {self._number} to {self.branch} at {time.time():.6f}\n"
        message = f"Traffic: change {self._number}\n"
        lines = [
            f"commit refs/heads/{self.branch}",
            "mark :1",
            f"committer Lab Traffic <lab-traffic@example.invalid> {int(time.time())} +0000",
            f"data {len(message)}",
            message.rstrip("\n"),
            *([f"from {self._tip}"] if self._tip else []),
            f"M 100644 inline {self.branch}.txt",
            f"data {len(text)}",
            text,
            "get-mark :1",
            "",
        ]
        stdin = "\n".join(lines).encode()
        self._tip = (await self._git.run("fast-import", "--quiet", "--force", cwd=self._place, stdin=stdin)).strip()
        return self._tip


class Committers:
    """A few people who push, each to a branch of their own, and the list of what was acknowledged."""

    def __init__(self, git: Git, folder: Path, repositories: Sequence[Repository], run: str, record: Path) -> None:
        self._free: asyncio.Queue[Copy] = asyncio.Queue()
        self._record = record
        self._record.touch()
        for number in range(MOST_AT_ONCE):
            repository = repositories[number * len(repositories) // MOST_AT_ONCE]
            place = folder / f"copy-{number}.git"
            self._free.put_nowait(Copy(git, place, repository, f"traffic/{run}/{number}"))

    async def push(self) -> Push:
        """Push once, from whichever copy is free; write down what was acknowledged. Raises GitFailed."""
        copy = await self._free.get()
        try:
            push = await copy.push()
            with self._record.open("a") as lines:
                lines.write(json.dumps(asdict(push)) + "\n")
            return push
        finally:
            self._free.put_nowait(copy)


def read_pushes(record: Path) -> list[Push]:
    """Read what was acknowledged; none when the run never pushed."""
    if not record.exists():
        return []
    return [Push(**json.loads(line)) for line in record.read_text().splitlines()]
