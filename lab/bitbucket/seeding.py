"""Fill a new lab: accounts, projects, and repositories with a history, made fast and the same for every seed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from lab.bitbucket.pulls import seed_pull_requests
from lab.bitbucket.store import Project, Store

GIT_ENVIRONMENT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C.UTF-8"}
"""Git without this machine's and this user's settings."""
_EPOCH = 1_600_000_000
"""Seconds; when the first commit of every seeded repository was made."""
_PROJECTS = (("PAY", "Payments"), ("SHOP", "Web shop"), ("OPS", "Operations"), ("DATA", "Data platform"))
_THINGS = ("gateway", "ledger", "catalogue", "checkout", "search", "runbooks", "terraform", "ingest", "reports", "auth")
_PARTS = ("service", "client", "schema", "console", "worker", "library", "agent", "site", "tools", "charts")
_TEXT = """
account amount balance batch cache charge client cluster commit config cursor customer deadline
delivery entry event export figure gate header index invoice ledger limit message node order page
payment policy queue rate record region report request retry route schedule session shard stock
supplier table task tenant token trace transfer unit update user value voucher window worker zone
"""
_WORDS = tuple(_TEXT.split())
_VERBS = ("Add", "Fix", "Rename", "Speed up", "Document", "Test", "Remove", "Log", "Limit", "Split")


def seed(
    shared: Path,
    database: Path,
    *,
    admin_password: str,
    admin_token: str | None = None,
    repositories: int = 20,
    commits: int = 30,
    chance: int = 0,
) -> str:
    """Create what a lab starts with; what is there already stays. Return the administrator's access token.

    Args:
        shared: the shared home.
        database: the shared database's file.
        admin_password: password of the system administrator ``admin`` and of the plain user ``developer``.
        admin_token: their access token; a new one when None.
        repositories: how many repositories there shall be.
        commits: commits on the main branch of each.
        chance: seed of the invented contents.
    """
    store = Store(database, shared)
    try:
        store.put_user("admin", admin_password, sysadmin=True, display_name="Administrator")
        store.put_user("developer", admin_password)
        token = store.put_token("admin", "lab", admin_token)
        projects = [store.project(key) or store.create_project(key, name) for key, name in _PROJECTS]
        for number in range(repositories):
            _seed_repository(store, projects, number, commits, Random(f"{chance}/{number}"))  # noqa: S311 -- contents
        seed_pull_requests(store, float(_EPOCH))
    finally:
        store.close()
    return token


def _seed_repository(store: Store, projects: Sequence[Project], number: int, commits: int, random: Random) -> None:
    thing = _THINGS[number % len(_THINGS)]
    part = _PARTS[(number // len(_THINGS) + number) % len(_PARTS)]
    slug = f"{thing}-{part}" + (f"-{number // 100}" if number >= 100 else "")
    project = projects[number % len(projects)]
    if store.repository(project.key, slug):
        return
    about = f"The {part} of the {thing}"
    repository = store.create_repository(project, slug, slug.replace("-", " "), float(_EPOCH), about)
    subprocess.run(
        ["git", "fast-import", "--quiet"],
        input=b"".join(_history(about, commits, random)),
        cwd=store.path(repository.id),
        env=GIT_ENVIRONMENT | {"PATH": "/usr/bin:/bin:/usr/local/bin"},
        check=True,
        capture_output=True,
    )


def _history(about: str, commits: int, random: Random) -> Iterator[bytes]:
    """Yield a fast-import stream: a main branch, a release branch and a tag."""
    yield b"feature done\n"
    yield from _commit("refs/heads/main", 0, f"Begin {about}", {"README.md": f"# {about}\n\n{_prose(random, 60)}"})
    for number in range(1, commits):
        path = f"src/{random.choice(_WORDS)}/{random.choice(_WORDS)}.txt"
        message = f"{random.choice(_VERBS)} the {random.choice(_WORDS)} {random.choice(_WORDS)}"
        yield from _commit("refs/heads/main", number, message, {path: _prose(random, 400)})
    yield b"reset refs/heads/release/1.0\nfrom refs/heads/main\n\n"
    yield from _commit("refs/heads/release/1.0", commits, "Release 1.0", {"VERSION": "1.0\n"})
    yield b"reset refs/tags/1.0\nfrom refs/heads/release/1.0\n\n"
    yield b"done\n"


def _commit(ref: str, number: int, message: str, files: dict[str, str]) -> Iterator[bytes]:
    who = f"Dana Developer <developer@example.com> {_EPOCH + number * 3600} +0000"
    yield f"commit {ref}\nauthor {who}\ncommitter {who}\n".encode() + _data(message)
    for path, text in files.items():
        yield f"M 100644 inline {path}\n".encode() + _data(text)
    yield b"\n"


def _data(text: str) -> bytes:
    raw = text.encode()
    return b"data %d\n%s\n" % (len(raw), raw)


def _prose(random: Random, words: int) -> str:
    chosen = [random.choice(_WORDS) for _ in range(words)]
    lines = [" ".join(chosen[at : at + 12]).capitalize() + "." for at in range(0, words, 12)]
    return "\n".join(lines) + "\n"
