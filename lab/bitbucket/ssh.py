"""Real Git over SSH on port 7999: public keys and passwords of the cluster's accounts, one host key for all nodes.

As with HTTP, a push is recorded after Git has moved the references and before its client hears of it. The port opens
when the node is ACTIVE, not before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.bitbucket.gate import Latched
from lab.bitbucket.processes import see_off
from lab.bitbucket.receive import PushWatcher
from lab.bitbucket.refusals import UNDER_MAINTENANCE
from lab.bitbucket.secured import made_once
from lab.bitbucket.seeding import GIT_ENVIRONMENT
from lab.bitbucket.store import Repository, User

if TYPE_CHECKING:
    from lab.bitbucket.here import Here

_LOG = logging.getLogger(__name__)
_CHUNK = 64 * 1024
_LOOK_SECONDS = 0.1
_SERVICES = ("git-upload-pack", "git-receive-pack")
_USER = "bitbucket_user"


class SshDoor:
    """The SSH port of one node."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._listener: Any = None

    async def open_when_active(self) -> None:
        """Listen as soon as the node is ACTIVE; never for a node without an SSH port."""
        port = self._here.config.ssh_port
        if not port:
            return
        import asyncssh  # noqa: PLC0415 -- half a second that a node without SSH, and the HTTP port, need not wait for

        key_file = self._here.config.shared / "config" / "ssh-server-keys.pem"
        key = made_once(key_file, lambda: bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key()))
        logging.getLogger("asyncssh").setLevel(logging.WARNING)
        while self._here.state != "ACTIVE":  # noqa: ASYNC110 -- the state comes with heartbeats, there is no event
            await asyncio.sleep(_LOOK_SECONDS)
        self._listener = await asyncssh.listen(
            self._here.config.address,
            port,
            server_factory=lambda: _accounts(self._here),
            server_host_keys=[asyncssh.import_private_key(key)],
            process_factory=self._serve,
            encoding=None,
            reuse_address=True,
            x11_forwarding=False,
            agent_forwarding=False,
            allow_scp=False,
        )

    def close(self) -> None:
        """Take no new connections; open ones go on."""
        if self._listener is not None:
            self._listener.close()

    async def hang_up(self) -> None:
        """Close the port and what is still connected."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()

    async def _serve(self, process: Any) -> None:
        self._here.opened()
        try:
            process.exit(await self._run(process))
        except (ConnectionError, asyncio.IncompleteReadError):
            _LOG.info("an SSH client has hung up")
        finally:
            self._here.closed()

    async def _run(self, process: Any) -> int:
        here, user = self._here, process.get_extra_info(_USER)
        service, repository = self._understand(process.command or "")
        problem = self._problem(repository)
        if repository is None or problem:
            process.stderr.write(f"{problem}\n".encode())
            return 1
        here.saw(user)
        try:
            with here.gate.git(writes=service == "git-receive-pack"):
                return await _git(_Session(here, process, repository, user), service)
        except Latched:
            process.stderr.write(f"{UNDER_MAINTENANCE}\n".encode())
            return 1

    def _problem(self, repository: Repository | None) -> str:
        """Return why a command is refused; empty when it is not."""
        if self._here.condition.get("locked"):
            return UNDER_MAINTENANCE
        if self._here.state not in ("ACTIVE", "DRAINING"):
            return "Bitbucket is currently unavailable."
        if repository is None:
            return "Repository not found. The requested repository does not exist."
        return "" if repository.available else "The repository is offline."

    def _understand(self, command: str) -> tuple[str, Repository | None]:
        try:
            words = shlex.split(command)
        except ValueError:
            return "", None
        if len(words) != 2 or words[0] not in _SERVICES:
            return "", None
        key, _, slug = words[1].strip("/").partition("/")
        return words[0], self._here.store.repository(key, slug.removesuffix(".git"))


def _accounts(here: Here) -> Any:
    import asyncssh  # noqa: PLC0415 -- loaded by now

    class Accounts(asyncssh.SSHServer):  # type: ignore[misc]  # asyncssh is read without types
        """Who may log in: the key says who it is, whatever the user name; a password belongs to the name."""

        def connection_made(self, conn: Any) -> None:
            """Keep the connection, to note on it who it is."""
            self._connection = conn

        def password_auth_supported(self) -> bool:
            """Offer passwords."""
            return True

        def public_key_auth_supported(self) -> bool:
            """Offer public keys."""
            return True

        def validate_password(self, username: str, password: str) -> bool:
            """Check a password against the database."""
            return self._is(
                None if here.store.needs_captcha(username) else here.store.check_password(username, password)
            )

        def validate_public_key(self, username: str, key: Any) -> bool:  # noqa: ARG002 -- asyncssh's signature
            """Look a public key up in the database."""
            return self._is(here.store.user_of_ssh_key(key.export_public_key().decode()))

        def _is(self, user: User | None) -> bool:
            self._connection.set_extra_info(**{_USER: user})
            return user is not None

    return Accounts()


@dataclass(frozen=True, slots=True)
class _Session:
    here: Here
    client: Any
    """The SSH channel: asyncssh's server process."""
    repository: Repository
    user: User


async def _git(session: _Session, service: str) -> int:
    client, user = session.client, session.user
    git = await asyncio.create_subprocess_exec(
        "git",
        service.removeprefix("git-"),
        str(session.here.store.path(session.repository.id)),
        env=GIT_ENVIRONMENT
        | {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "GIT_PROTOCOL": client.env.get("GIT_PROTOCOL", ""),
            "GIT_COMMITTER_NAME": user.display_name,
            "GIT_COMMITTER_EMAIL": user.email,
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    push = PushWatcher(advertised=True) if service == "git-receive-pack" else None
    feeding = asyncio.create_task(_feed(client, git, push))
    complaining = asyncio.create_task(_pass_on(git.stderr, client.stderr))
    try:
        if push is None:
            await _pass_on(git.stdout, client.stdout)
        else:
            await _answer_push(session, git, push)
        await complaining
        return await git.wait()
    finally:
        feeding.cancel()
        complaining.cancel()
        await see_off(git)


async def _feed(client: Any, git: asyncio.subprocess.Process, push: PushWatcher | None) -> None:
    if git.stdin is None:
        raise RuntimeError("the process was started without a pipe")
    with contextlib.suppress(ConnectionError):  # Git has ended early: its answer says why
        while data := await client.stdin.read(_CHUNK):
            if push is not None:
                push.asked(data)
            git.stdin.write(data)
            await git.stdin.drain()
    git.stdin.close()


async def _pass_on(source: asyncio.StreamReader | None, sink: Any) -> None:
    if source is None:
        raise RuntimeError("the process was started without a pipe")
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()


async def _answer_push(session: _Session, git: asyncio.subprocess.Process, push: PushWatcher) -> None:
    """Pass Git's list of references on, but hold its report back until it is in the database."""
    if git.stdout is None:
        raise RuntimeError("the process was started without a pipe")
    while not push.has_advertised() and (data := await git.stdout.read(_CHUNK)):
        push.answered(data)
        session.client.stdout.write(data)
    report = await git.stdout.read()
    push.answered(report)
    if accepted := push.accepted():
        here = session.here
        await asyncio.to_thread(
            here.store.record_push, session.repository.id, session.user.name, accepted, time.time(), here.config.id
        )
    session.client.stdout.write(report)
    await session.client.stdout.drain()
