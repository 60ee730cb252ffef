"""The integrity check of the first start after a restore: rows that the repositories do not bear out.

Disks and database of a set that was taken without the lock are not of the same instant. With
``disaster.recovery=true`` in the shared home's ``bitbucket.properties`` one node looks, in the background, for rows
that point to commits which are not there, and removes them; a repository without its directory goes OFFLINE, one
whose directory is back is available again. What exactly Bitbucket repairs is not documented: this is inferred.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.bitbucket.database import Database
from lab.bitbucket.gate import Gate
from lab.bitbucket.schema import AVAILABLE, OFFLINE
from lab.bitbucket.seeding import GIT_ENVIRONMENT
from lab.bitbucket.store import Repository, Store

_NOBODY = "0" * 40
"""What a deleted reference points to."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check has looked at and repaired."""

    repositories: int
    offline: tuple[str, ...] = ()
    """PROJECT/slug of the repositories without a directory."""
    pushes_removed: int = 0
    pull_requests_removed: int = 0


def is_asked_for(shared: Path) -> bool:
    """Tell whether ``shared/bitbucket.properties`` asks for the check."""
    file = shared / "bitbucket.properties"
    if not file.exists():
        return False
    pairs = (line.partition("=") for line in file.read_text().splitlines() if not line.lstrip().startswith(("#", "!")))
    return {key.strip(): value.strip().lower() for key, _, value in pairs}.get("disaster.recovery") == "true"


def check(store: Store, gate: Gate) -> Findings:
    """Look at every repository, and repair the database.

    Raises:
        Latched: a backup is being made; nothing half-done is left, begin again afterwards.
    """
    offline, pushes, pulls = [], 0, 0
    repositories = store.repositories()
    for repository in repositories:
        there = (store.path(repository.id) / "HEAD").exists()
        _mark(store.database, repository, available=there)
        if not there:
            offline.append(f"{repository.project.key}/{repository.slug}")
            continue
        with gate.git():
            missing = _missing(store, repository)
        pushes += _remove(store.database, "activity", "repository_id = ? AND new = ?", repository, missing)
        where = "to_repository_id = ? AND ? IN (from_hash, to_hash)"
        pulls += _remove(store.database, "sta_pull_request", where, repository, missing)
    return Findings(len(repositories), tuple(offline), pushes, pulls)


def _mark(database: Database, repository: Repository, *, available: bool) -> None:
    if repository.available != available:
        with database.write() as db:
            state = AVAILABLE if available else OFFLINE
            db.execute("UPDATE repositories SET state = ? WHERE id = ?", (state, repository.id))


def _missing(store: Store, repository: Repository) -> list[str]:
    """Return the commits that rows name and the repository does not have."""
    query = (
        "SELECT new FROM activity WHERE repository_id = ?1 "
        "UNION SELECT from_hash FROM sta_pull_request WHERE to_repository_id = ?1 "
        "UNION SELECT to_hash FROM sta_pull_request WHERE to_repository_id = ?1"
    )
    named = [str(row[0]) for row in store.database.all(query, repository.id) if row[0] != _NOBODY]
    if not named:
        return []
    found = subprocess.run(
        ["git", "cat-file", "--batch-check"],
        input="".join(f"{each}\n" for each in named),
        cwd=store.path(repository.id),
        env=GIT_ENVIRONMENT | {"PATH": os.environ.get("PATH", os.defpath), "GIT_DIR": "."},
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.split()[0] for line in found.stdout.splitlines() if line.endswith(" missing")]


def _remove(database: Database, table: str, where: str, repository: Repository, missing: list[str]) -> int:
    if not missing:
        return 0
    with database.write() as db:
        before = db.total_changes
        query = f"DELETE FROM {table} WHERE {where}"  # noqa: S608 -- both are this module's own words
        db.executemany(query, [(repository.id, each) for each in missing])
        return db.total_changes - before
