"""Real Git over HTTP: ``git http-backend`` as a CGI program, streamed both ways.

A push is recorded in the database after Git has moved the references and before its client is told so: a row exists for
every push that anyone believes to have succeeded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from lab.bitbucket.here import HERE
from lab.bitbucket.processes import see_off
from lab.bitbucket.receive import PushWatcher
from lab.bitbucket.refusals import Refusal
from lab.bitbucket.rest import find_repository
from lab.bitbucket.security import need_user
from lab.bitbucket.seeding import GIT_ENVIRONMENT
from lab.bitbucket.store import Repository, User

_LOG = logging.getLogger(__name__)
_CHUNK = 64 * 1024
_SERVICES = ("git-upload-pack", "git-receive-pack")


@dataclass(frozen=True, slots=True)
class _Asked:
    request: web.Request
    path: str
    """Path within the repository, as the CGI program wants it."""
    repository: Repository
    user: User
    push: PushWatcher | None
    """Reads along with a push; None for a clone, a fetch, or the list of references."""


def routes() -> list[web.RouteDef]:
    """Return the routes of this module; the ``.git`` may be left out."""
    root = "/scm/{key}/{slug:[^/]+?}{suffix:(\\.git)?}"
    return [
        web.get(root + "/info/refs", info_refs),
        web.post(root + "/{service:git-upload-pack|git-receive-pack}", service),
    ]


async def info_refs(request: web.Request) -> web.StreamResponse:
    """The references, as the smart protocol begins."""
    if request.query.get("service") not in _SERVICES:
        raise Refusal.of(403, "Only the smart HTTP protocol is supported.")
    return await _serve(request, "info/refs", None)


async def service(request: web.Request) -> web.StreamResponse:
    """A clone, fetch or push."""
    name = request.match_info["service"]
    return await _serve(request, name, PushWatcher() if name == "git-receive-pack" else None)


async def _serve(request: web.Request, path: str, push: PushWatcher | None) -> web.StreamResponse:
    user = need_user(request)
    repository = find_repository(request)
    if not repository.available:
        raise Refusal.of(503, f"Repository {repository.project.key}/{repository.slug} is offline.")
    asked = _Asked(request, path, repository, user, push)
    with request.app[HERE].gate.git(writes=push is not None):
        return await _run(asked)


async def _run(asked: _Asked) -> web.StreamResponse:
    process = await asyncio.create_subprocess_exec(
        _backend(),
        env=_environment(asked),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_CHUNK,
        start_new_session=True,
    )
    complaints = asyncio.create_task(_read_all(process.stderr))
    feeding = asyncio.create_task(_feed(asked.request, process, asked.push))
    try:
        response = await _head(process)
        if asked.push is None:
            await _stream(asked.request, response, process)
        else:
            await _finish_push(asked, asked.push, response, process)
        return response
    finally:
        feeding.cancel()
        await see_off(process)
        if text := (await complaints).strip():
            repository = asked.repository
            where = f"{repository.project.key}/{repository.slug}"
            _LOG.warning("git %s %s: %s", asked.path, where, text.decode(errors="replace"))


@lru_cache(maxsize=1)
def _backend() -> str:
    """Return the CGI program itself: one process less than through ``git``."""
    where = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
    program = shutil.which("git-http-backend", path=where)
    if program is None:
        raise FileNotFoundError(f"git http-backend is not installed in {where}")
    return program


def warm_up() -> None:
    """Find Git's CGI program now, not in the middle of the first request.

    Raises:
        FileNotFoundError: Git has been installed without it.
    """
    _backend()


def _environment(asked: _Asked) -> dict[str, str]:
    request, user = asked.request, asked.user
    protocol = request.headers.get("Git-Protocol", "")
    return GIT_ENVIRONMENT | {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "GIT_PROJECT_ROOT": str(request.app[HERE].store.repositories_home),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{asked.repository.id}/{asked.path}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "REMOTE_USER": user.name,
        "REMOTE_ADDR": request.remote or "",
        "GIT_COMMITTER_NAME": user.display_name,
        "GIT_COMMITTER_EMAIL": user.email,
        "GIT_PROTOCOL": protocol,
        "HTTP_GIT_PROTOCOL": protocol,
    }


async def _feed(request: web.Request, process: asyncio.subprocess.Process, push: PushWatcher | None) -> None:
    """Pass the request's body on; it arrives here unzipped and unchunked."""
    stdin = process.stdin
    if stdin is None:
        raise RuntimeError("the process was started without a pipe")
    with contextlib.suppress(ConnectionError):  # Git has ended early: its answer says why
        async for chunk in request.content.iter_any():
            if push is not None:
                push.asked(chunk)
            stdin.write(chunk)
            await stdin.drain()
    stdin.close()


async def _head(process: asyncio.subprocess.Process) -> web.StreamResponse:
    """Read the CGI header."""
    if process.stdout is None:
        raise RuntimeError("the process was started without a pipe")
    try:
        head = await process.stdout.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as cut:
        raise Refusal.of(500, "Git ended without an answer.") from cut
    status, headers = 200, {}
    for line in head.decode("latin-1").strip().splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    return web.StreamResponse(status=status, headers=headers)


async def _stream(request: web.Request, response: web.StreamResponse, process: asyncio.subprocess.Process) -> None:
    if process.stdout is None:
        raise RuntimeError("the process was started without a pipe")
    await response.prepare(request)
    while chunk := await process.stdout.read(_CHUNK):
        await response.write(chunk)
    await response.write_eof()


async def _finish_push(
    asked: _Asked, watcher: PushWatcher, response: web.StreamResponse, process: asyncio.subprocess.Process
) -> None:
    """Hold Git's report back until what it reports is in the database."""
    request = asked.request
    report = await _read_all(process.stdout)
    watcher.answered(report)
    if accepted := watcher.accepted():
        here = request.app[HERE]
        await asyncio.to_thread(
            here.store.record_push, asked.repository.id, asked.user.name, accepted, time.time(), here.config.id
        )
    response.content_length = len(report)
    await response.prepare(request)
    await response.write(report)
    await response.write_eof()


async def _read_all(stream: asyncio.StreamReader | None) -> bytes:
    if stream is None:
        raise RuntimeError("the process was started without a pipe")
    return await stream.read()
