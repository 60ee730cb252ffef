"""The shared database and shared home of one cluster: what all nodes have in common and must never lose.

Passwords are kept salted and stretched, access tokens as digests. Repositories are
bare Git repositories at ``{shared}/data/repositories/{id}``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.bitbucket.database import Database
from lab.bitbucket.gate import Gate
from lab.bitbucket.records import WorldRefused
from lab.bitbucket.schema import AVAILABLE

_STRETCH = 20_000
"""PBKDF2 rounds: enough for passwords that live as long as a lab."""
CAPTCHA_AFTER = 5
"""Failed log-ins after which Bitbucket wants a CAPTCHA, and refuses the password over REST and Git."""

REPOSITORY_CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[http]
\treceivepack = true
[gc]
\tauto = 0
[receive]
\tautogc = false
"""


@dataclass(frozen=True, slots=True)
class User:
    """An account; a system administrator may use the upgrade API."""

    id: int
    name: str
    display_name: str
    email: str
    sysadmin: bool


@dataclass(frozen=True, slots=True)
class Project:
    """A project: what groups repositories."""

    id: int
    key: str
    name: str
    description: str
    public: bool


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository's row together with its project."""

    id: int
    slug: str
    name: str
    description: str
    state: int
    """0 for AVAILABLE, 3 for OFFLINE: the row is there, its directory is not."""
    project: Project

    @property
    def available(self) -> bool:
        """True unless its directory was missing when that was looked for."""
        return self.state == AVAILABLE


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One reference that a push moved: full name, old and new object id."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Activity:
    """One acknowledged push of one reference."""

    repository: int
    user: str
    update: RefUpdate
    at: float
    node: str


_PROJECT = "p.id, p.key, p.name, p.description, p.public"
_REPOSITORY = f"r.id, r.slug, r.name, r.description, r.state, {_PROJECT}"
_FROM = "FROM repositories r JOIN projects p ON p.id = r.project_id"


class Store:
    """One process's door to the shared database; safe to use from several threads."""

    def __init__(self, database: Path, shared: Path, gate: Gate | None = None) -> None:
        """Open the database and the repositories; ``gate`` is what every change has to pass (None: always open)."""
        self.shared = shared
        self.repositories_home = shared / "data" / "repositories"
        self.repositories_home.mkdir(parents=True, exist_ok=True)
        self.database = Database(database, gate)

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def path(self, repository: int) -> Path:
        """Return where the bare repository with this id lies."""
        return self.repositories_home / str(repository)

    # -- users ----------------------------------------------------------------------------------------------------

    def put_user(self, name: str, password: str, *, sysadmin: bool = False, display_name: str = "") -> User:
        """Create an account, or give an existing one this password and right."""
        salt = os.urandom(16)
        row = (name, display_name or name.title(), f"{name}@example.com", salt, _stretched(password, salt), sysadmin)
        with self.database.write() as db:
            db.execute(
                "INSERT INTO users (name, display_name, email, salt, password, sysadmin) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET salt = excluded.salt, password = excluded.password, "
                "sysadmin = excluded.sysadmin, failed_logins = 0",
                row,
            )
        user = self.user(name)
        assert user is not None  # noqa: S101 -- just written
        return user

    def put_token(self, user: str, name: str, token: str | None = None) -> str:
        """Create an access token for ``user``, or make it the given one; return it."""
        token = token or f"BBDC-{secrets.token_urlsafe(33)}"
        owner = self._known_user(user)
        with self.database.write() as db:
            db.execute("DELETE FROM tokens WHERE user_id = ? AND name = ?", (owner.id, name))
            db.execute("INSERT INTO tokens (user_id, name, digest) VALUES (?, ?, ?)", (owner.id, name, _digest(token)))
        return token

    def put_ssh_key(self, user: str, key: str) -> None:
        """Let ``user`` log in over SSH with this public key (OpenSSH's one-line form)."""
        algorithm, material = key.split()[:2]
        with self.database.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO ssh_keys (user_id, key) VALUES (?, ?)",
                (self._known_user(user).id, f"{algorithm} {material}"),
            )

    def user(self, name: str) -> User | None:
        """Return the account called ``name``."""
        query = "SELECT id, name, display_name, email, sysadmin FROM users WHERE name = ?"
        return _user(self.database.one(query, name))

    def users(self) -> list[User]:
        """Return all accounts by name."""
        rows = self.database.all("SELECT id, name, display_name, email, sysadmin FROM users ORDER BY name")
        return [user for row in rows if (user := _user(row))]

    def check_password(self, name: str, password: str) -> User | None:
        """Return the account when the password is right; a wrong one is counted."""
        row = self.database.one("SELECT salt, password FROM users WHERE name = ?", name)
        if row is None:
            return None
        if not hmac.compare_digest(_stretched(password, row[0]), row[1]):
            if self.database.latched:
                return None  # a backup is being made: not even this may be written
            with self.database.write() as db:
                db.execute("UPDATE users SET failed_logins = failed_logins + 1 WHERE name = ?", (name,))
            return None
        return self.user(name)

    def needs_captcha(self, name: str) -> bool:
        """Tell whether the account is locked for passwords outside the log-in page."""
        row = self.database.one("SELECT failed_logins FROM users WHERE name = ?", name)
        return row is not None and row[0] >= CAPTCHA_AFTER

    def forgive(self, name: str) -> None:
        """Forget failed log-ins, as a successful log-in does; later, when a backup is being made."""
        if self.database.latched:
            return
        if (row := self.database.one("SELECT failed_logins FROM users WHERE name = ?", name)) and row[0]:
            with self.database.write() as db:
                db.execute("UPDATE users SET failed_logins = 0 WHERE name = ?", (name,))

    def user_of_token(self, token: str) -> User | None:
        """Return the account that an access token stands for."""
        return _user(
            self.database.one(
                "SELECT u.id, u.name, u.display_name, u.email, u.sysadmin FROM tokens t "
                "JOIN users u ON u.id = t.user_id WHERE t.digest = ?",
                _digest(token),
            )
        )

    def user_of_ssh_key(self, key: str) -> User | None:
        """Return the account that a public key belongs to."""
        algorithm, material = key.split()[:2]
        return _user(
            self.database.one(
                "SELECT u.id, u.name, u.display_name, u.email, u.sysadmin FROM ssh_keys k "
                "JOIN users u ON u.id = k.user_id WHERE k.key = ?",
                f"{algorithm} {material}",
            )
        )

    # -- projects and repositories --------------------------------------------------------------------------------

    def projects(self) -> list[Project]:
        """Return all projects by name."""
        rows = self.database.all(f"SELECT {_PROJECT} FROM projects p ORDER BY p.name COLLATE NOCASE")  # noqa: S608 -- ours
        return [_project(row) for row in rows]

    def project(self, key: str) -> Project | None:
        """Return the project with this key, in whichever case."""
        row = self.database.one(f"SELECT {_PROJECT} FROM projects p WHERE p.key = ?", key.upper())  # noqa: S608 -- ours
        return _project(row) if row else None

    def create_project(self, key: str, name: str, description: str = "", *, public: bool = False) -> Project:
        """Create a project.

        Raises:
            WorldRefused: key or name are taken.
        """
        try:
            with self.database.write() as db:
                db.execute(
                    "INSERT INTO projects (key, name, description, public) VALUES (?, ?, ?, ?)",
                    (key.upper(), name, description, public),
                )
        except sqlite3.IntegrityError as taken:
            raise WorldRefused(f"a project with key {key} or name {name} exists") from taken
        project = self.project(key)
        assert project is not None  # noqa: S101 -- just written
        return project

    def repositories(self, project: Project | None = None) -> list[Repository]:
        """Return all repositories, or those of one project, by project and slug."""
        order = "ORDER BY p.name COLLATE NOCASE, r.slug"
        if project is None:
            return [_repository(row) for row in self.database.all(f"SELECT {_REPOSITORY} {_FROM} {order}")]
        rows = self.database.all(f"SELECT {_REPOSITORY} {_FROM} WHERE p.id = ? {order}", project.id)
        return [_repository(row) for row in rows]

    def repository(self, key: str, slug: str) -> Repository | None:
        """Return the repository under ``/projects/{key}/repos/{slug}``, in whichever case."""
        query = f"SELECT {_REPOSITORY} {_FROM} WHERE p.key = ? AND r.slug = ?"
        row = self.database.one(query, key.upper(), slug.lower())
        return _repository(row) if row else None

    def create_repository(self, project: Project, slug: str, name: str, at: float, description: str = "") -> Repository:
        """Create the row and, before anyone can see it, the empty bare repository.

        Raises:
            WorldRefused: the project has such a repository.
        """
        path: Path | None = None
        try:
            with self.database.write() as db:
                cursor = db.execute(
                    "INSERT INTO repositories (project_id, slug, name, description, created) VALUES (?, ?, ?, ?, ?)",
                    (project.id, slug, name, description, at),
                )
                path = self.path(int(cursor.lastrowid or 0))
                make_bare(path)
        except sqlite3.IntegrityError as taken:
            raise WorldRefused(f"{project.key} has a repository {slug}") from taken
        except OSError:
            if path is not None:
                shutil.rmtree(path, ignore_errors=True)  # the row was rolled back: its directory goes with it
            raise
        repository = self.repository(project.key, slug)
        assert repository is not None  # noqa: S101 -- just written
        return repository

    # -- activity -------------------------------------------------------------------------------------------------

    def record_push(self, repository: int, user: str, updates: Iterable[RefUpdate], at: float, node: str) -> None:
        """Write one row for each moved reference; returns when they are in the database.

        The push has passed the gate before Git moved anything, so its rows may be written while the gate is shut.
        """
        rows = [(repository, user, each.ref, each.old, each.new, at, node) for each in updates]
        with self.database.write(admitted=True) as db:
            db.executemany(
                "INSERT INTO activity (repository_id, user, ref, old, new, at, node) VALUES (?, ?, ?, ?, ?, ?, ?)", rows
            )

    def activity(self, repository: int | None = None, limit: int = 25) -> list[Activity]:
        """Return the newest acknowledged pushes first."""
        columns = "SELECT repository_id, user, ref, old, new, at, node FROM activity"
        if repository is None:
            rows = self.database.all(f"{columns} ORDER BY id DESC LIMIT ?", limit)
        else:
            rows = self.database.all(f"{columns} WHERE repository_id = ? ORDER BY id DESC LIMIT ?", repository, limit)
        return [Activity(row[0], row[1], RefUpdate(*row[2:5]), row[5], row[6]) for row in rows]

    # -- inner workings -------------------------------------------------------------------------------------------

    def _known_user(self, name: str) -> User:
        user = self.user(name)
        if user is None:
            raise WorldRefused(f"there is no user {name}")
        return user


def make_bare(path: Path) -> None:
    """Make an empty bare Git repository, as ``git init --bare`` does, without a process."""
    for part in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info", "hooks"):
        (path / part).mkdir(parents=True)
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    (path / "config").write_text(REPOSITORY_CONFIG)
    (path / "description").write_text("A repository of the lab\n")


def _user(row: tuple[Any, ...] | None) -> User | None:
    return User(row[0], row[1], row[2], row[3], bool(row[4])) if row else None


def _project(row: tuple[Any, ...]) -> Project:
    return Project(row[0], row[1], row[2], row[3], bool(row[4]))


def _repository(row: tuple[Any, ...]) -> Repository:
    return Repository(row[0], row[1], row[2], row[3], row[4], _project(row[5:]))


def _stretched(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _STRETCH)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
