"""Pull requests, as rows: what ties the database to commits that must be in a repository."""

from __future__ import annotations

from dataclasses import dataclass

from lab.bitbucket.database import Database
from lab.bitbucket.refs import read_refs
from lab.bitbucket.store import Repository, Store

_HEADS = "refs/heads/"
OPEN, MERGED, DECLINED = 0, 1, 2
"""Values of ``sta_pull_request.pr_state``."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One pull request within a repository."""

    number: int
    """What users call it by; counted in each repository."""
    title: str
    state: int
    created: float
    """Seconds since the epoch."""
    from_branch: str
    from_hash: str
    to_branch: str
    to_hash: str


class PullRequests:
    """Reads and opens pull requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, repository: Repository) -> list[PullRequest]:
        """Return a repository's pull requests, newest first."""
        columns = (
            "SELECT scoped_id, title, pr_state, created_timestamp, from_branch_fqn, from_hash, to_branch_fqn, to_hash "
            "FROM sta_pull_request WHERE to_repository_id = ? ORDER BY scoped_id DESC"
        )
        return [PullRequest(*row) for row in self._database.all(columns, repository.id)]

    def open(self, repository: Repository, title: str, opened: PullRequest) -> PullRequest:
        """Write a pull request's row under the repository's next number; return it."""
        with self._database.write() as db:
            query = "SELECT coalesce(max(scoped_id), 0) + 1 FROM sta_pull_request WHERE to_repository_id = ?"
            number = int(db.execute(query, (repository.id,)).fetchone()[0])
            db.execute(
                "INSERT INTO sta_pull_request (scoped_id, title, pr_state, created_timestamp, from_repository_id, "
                "from_branch_fqn, from_hash, to_repository_id, to_branch_fqn, to_hash) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    number, title, opened.state, opened.created, repository.id,
                    opened.from_branch, opened.from_hash, repository.id, opened.to_branch, opened.to_hash,
                ),
            )  # fmt: skip
        return self.of(repository)[0]


def seed_pull_requests(store: Store, at: float) -> int:
    """Open one pull request, release branch into main, in every repository that has none; return how many."""
    opened, pulls = 0, PullRequests(store.database)
    for repository in store.repositories():
        branches = read_refs(store.path(repository.id), _HEADS)
        if pulls.of(repository) or not {"release/1.0", "main"} <= set(branches):
            continue
        ends = (f"{_HEADS}release/1.0", branches["release/1.0"], f"{_HEADS}main", branches["main"])
        pulls.open(repository, "Bring release 1.0 back", PullRequest(0, "", OPEN, at, *ends))
        opened += 1
    return opened
