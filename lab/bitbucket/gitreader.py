"""Read branches and commits of bare repositories for pages and REST: cached, and read again when a push moved a ref."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from lab.bitbucket.gate import Gate
from lab.bitbucket.processes import see_off
from lab.bitbucket.refs import read_refs
from lab.bitbucket.seeding import GIT_ENVIRONMENT

_LEAST_SECONDS = 1.0
"""A repository that is pushed to all the time is not read more often than this."""
_COMMITS = 25
"""Commits kept for pages."""
_FORMAT = "%H%x00%h%x00%an%x00%ae%x00%at%x00%P%x00%s%x00%e"


class GitFailed(RuntimeError):
    """Git ended with an error."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, times in seconds since the epoch."""

    id: str
    display_id: str
    author: str
    email: str
    at: int
    parents: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a repository's page shows."""

    default_branch: str
    branches: dict[str, str]
    """Tip by branch name."""
    commits: tuple[Commit, ...]
    """Newest commits of the default branch."""


@dataclass(slots=True)
class _Cached:
    signature: tuple[int, ...]
    read_at: float
    summary: Summary


class GitReader:
    """Reads repositories below one directory."""

    def __init__(self, gate: Gate | None = None) -> None:
        """``gate`` is what every Git process has to pass; None for one that is always open."""
        self._gate = gate or Gate()
        self._cache: dict[Path, _Cached] = {}
        self._reading: dict[Path, asyncio.Task[Summary]] = {}

    async def summary(self, path: Path) -> Summary:
        """Return what the page of the repository at ``path`` shows, at most a second old."""
        cached = self._cache.get(path)
        if cached is not None:
            if time.monotonic() - cached.read_at < _LEAST_SECONDS:
                return cached.summary
            if _signature(path) == cached.signature:
                cached.read_at = time.monotonic()
                return cached.summary
        task = self._reading.get(path)
        if task is None:
            task = self._reading[path] = asyncio.create_task(self._read(path))
            task.add_done_callback(lambda _: self._reading.pop(path, None))
        return await asyncio.shield(task)

    async def commits(self, path: Path, revision: str, skip: int, limit: int) -> tuple[Commit, ...]:
        """Return commits reachable from ``revision``, newest first.

        Raises:
            GitFailed: there is no such revision; Latched: no Git process may begin.
        """
        arguments = ("log", f"--format={_FORMAT}", f"--skip={skip}", f"--max-count={limit}", "--end-of-options")
        with self._gate.git():
            return _parse(await _git(path, *arguments, revision, "--"))

    async def _read(self, path: Path) -> Summary:
        signature = _signature(path)
        default = (path / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")
        branches = read_refs(path, "refs/heads/")
        commits = await self.commits(path, branches[default], 0, _COMMITS) if default in branches else ()
        summary = Summary(default, branches, commits)
        self._cache[path] = _Cached(signature, time.monotonic(), summary)
        return summary


def _signature(path: Path) -> tuple[int, ...]:
    """Return a value that changes with every moved reference: each is replaced by a rename in its directory."""
    folders = [folder for folder, _, _ in os.walk(path / "refs")]
    stamps = [Path(folder).stat().st_mtime_ns for folder in folders]
    packed = path / "packed-refs"
    return (*stamps, packed.stat().st_mtime_ns if packed.exists() else 0)


def _parse(output: str) -> tuple[Commit, ...]:
    commits = []
    for line in output.splitlines():
        full, short, author, email, at, parents, subject, _ = line.split("\0")
        commits.append(Commit(full, short, author, email, int(at), tuple(parents.split()), subject))
    return tuple(commits)


async def _git(path: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=path,
        env=GIT_ENVIRONMENT | {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "GIT_DIR": str(path)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, problem = await process.communicate()
    finally:
        await see_off(process)
    if process.returncode:
        raise GitFailed(problem.decode(errors="replace").strip())
    return output.decode(errors="replace")
