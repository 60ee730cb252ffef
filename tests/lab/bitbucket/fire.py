"""Clients that push as fast as they can, and copies of everything to compare."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path

from tests.lab.bitbucket.rig import PASSWORD, Rig

BASIC = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "http.extraHeader",
    "GIT_CONFIG_VALUE_0": f"Authorization: {BASIC}",
    "LC_ALL": "C",
}


def git(*words: str, at: Path | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", *words], cwd=at, env=ENVIRONMENT, input=stdin, capture_output=True, check=False, timeout=60
    )


class Pusher(threading.Thread):
    """One client: a chain of commits on a branch of its own, pushed one after the other until told to stop."""

    def __init__(self, folder: Path, url: str, branch: str, commits: int = 400) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self.refused = 0
        self.complaint = ""
        self._over = threading.Event()
        self._url, self._branch, self._place = url, branch, folder / f"{branch}.git"
        assert git("init", "--quiet", "--bare", str(self._place)).returncode == 0
        lines = []
        for number in range(commits):
            who = f"committer Fire <fire@example.com> {1_600_000_000 + number} +0000"
            lines.append(f"commit refs/heads/all\n{who}\ndata 2\n{number % 10}\nM 100644 inline {branch}\n")
            text = f"{branch} {number}\n"
            lines.append(f"data {len(text)}\n{text}\n")
        assert git("fast-import", "--quiet", at=self._place, stdin="".join(lines).encode()).returncode == 0
        self._chain = git("rev-list", "--reverse", "all", at=self._place).stdout.decode().split()

    def run(self) -> None:
        for commit in self._chain:
            if self._over.is_set():
                return
            pushed = git("push", "--quiet", self._url, f"{commit}:refs/heads/{self._branch}", at=self._place)
            if pushed.returncode == 0:
                self.acknowledged.append(commit)
            else:
                self.refused += 1
                self.complaint = pushed.stderr.decode()

    def end(self) -> None:
        self._over.set()
        self.join()


def copy(rig: Rig, to: Path) -> None:
    """Copy repositories and database as they lie there."""
    shutil.copytree(rig.shared / "data" / "repositories", to / "repositories")
    with closing(sqlite3.connect(rig.database)) as source, closing(sqlite3.connect(to / "copy.sqlite")) as target:
        source.backup(target)


def contents(place: Path) -> dict[str, str]:
    """Return a digest of every file of a copy, and of the database's rows."""
    files = [file for file in sorted((place / "repositories").rglob("*")) if file.is_file()]
    found = {str(file.relative_to(place)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    with closing(sqlite3.connect(place / "copy.sqlite")) as database:
        rows = "\n".join(database.iterdump())
    return found | {"rows": hashlib.sha256(rows.encode()).hexdigest()}


def tip(place: Path, repository: int, branch: str) -> str:
    """Return where a branch of a copy is; empty when there is none."""
    found = git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", at=place / "repositories" / str(repository))
    return found.stdout.decode().strip()


def recorded(place: Path, branch: str) -> list[str]:
    """Return the commits that a copy's rows say were pushed to a branch, in order."""
    with closing(sqlite3.connect(place / "copy.sqlite")) as database:
        query = "SELECT to_hash FROM sta_repo_push_ref WHERE ref_id = ? ORDER BY activity_id"
        return [row[0] for row in database.execute(query, (f"refs/heads/{branch}",))]
