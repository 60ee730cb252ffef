"""Real Git over SSH against a node process, with the ssh of this machine or, where there is none, asyncssh's client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from lab.bitbucket.store import Store
from tests.lab.bitbucket.rig import PASSWORD, Rig, wait_for

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, Any]]:
    """One node with its SSH port, and a private key that it knows."""
    rig = Rig(tmp_path_factory.mktemp("ssh"), repositories=1)
    try:
        key = asyncssh.generate_private_key("ssh-ed25519")
        store = Store(rig.database, rig.shared)
        store.put_ssh_key("developer", key.export_public_key().decode())
        store.close()
        rig.start(1, ssh_port=7999)
        wait_for(lambda: is_open(rig.address(1), 7999))
        yield rig, key
    finally:
        rig.close()


def is_open(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


async def run(rig: Rig, command: str, stdin: bytes = b"", **who: Any) -> tuple[int, bytes, bytes]:
    options = {"username": "git", "known_hosts": None, "client_keys": None, "agent_path": None, "config": None} | who
    async with asyncssh.connect(rig.address(1), 7999, **options) as connection:
        done = await connection.run(command, input=stdin, encoding=None)
        return done.exit_status, done.stdout, done.stderr


def test_a_known_key_lists_references(keyed: tuple[Rig, Any]) -> None:
    rig, key = keyed
    code, output, _ = asyncio.run(run(rig, "git-upload-pack '/pay/gateway-service.git'", b"0000", client_keys=[key]))
    assert code == 0
    assert b"refs/heads/main" in output


def test_a_password_of_the_named_account_works_and_others_do_not(keyed: tuple[Rig, Any]) -> None:
    rig, _ = keyed
    command = "git-upload-pack '/pay/gateway-service.git'"
    code, output, _ = asyncio.run(run(rig, command, b"0000", username="developer", password=PASSWORD))
    assert code == 0
    assert b"refs/heads/main" in output
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(run(rig, command, username="developer", password="nonsense"))
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(run(rig, command, client_keys=[asyncssh.generate_private_key("ssh-ed25519")]))


@pytest.mark.parametrize("command", ["git-upload-pack '/pay/none.git'", "rm -rf /", "git-upload-pack", "'"])
def test_nothing_but_git_on_a_repository(keyed: tuple[Rig, Any], command: str) -> None:
    rig, key = keyed
    code, output, complaint = asyncio.run(run(rig, command, client_keys=[key]))
    assert (code, output) == (1, b"")
    assert b"Repository not found" in complaint


def test_while_locked_it_says_so_and_ends_with_1(keyed: tuple[Rig, Any]) -> None:
    rig, key = keyed
    held = rig.fabric.call("i-1", "maintenance.lock", {"user": "admin", "display_name": "Administrator"})
    try:
        wait_for(lambda: rig.state(1) == "MAINTENANCE")
        said = asyncio.run(run(rig, "git-upload-pack '/pay/gateway-service.git'", client_keys=[key]))
        assert said == (1, b"", b"Bitbucket is currently under maintenance.\n")
    finally:
        rig.fabric.call("i-1", "maintenance.unlock", {"token": held["body"]["unlockToken"]})
        wait_for(lambda: rig.state(1) == "RUNNING")


def test_a_session_that_hangs_up_half_way_leaves_no_process(keyed: tuple[Rig, Any]) -> None:
    """Git has begun a push; what it started must end with it, or it could still write after a drain."""
    rig, key = keyed

    async def hang_up() -> None:
        options = {"username": "git", "known_hosts": None, "client_keys": [key], "agent_path": None, "config": None}
        async with asyncssh.connect(rig.address(1), 7999, **options) as connection:
            process = await connection.create_process("git-receive-pack '/pay/gateway-service.git'", encoding=None)
            await process.stdout.read(4)
            assert rig.processes["i-1"].poll() is None
            await asyncio.to_thread(wait_for, lambda: rig.fabric.cluster.nodes["i-1"].git == 1)

    asyncio.run(hang_up())
    wait_for(lambda: rig.fabric.cluster.nodes["i-1"].git == 0)
    pid = rig.processes["i-1"].pid
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text().split() == []


def test_a_push_through_real_git_is_recorded(keyed: tuple[Rig, Any], tmp_path: Path) -> None:
    """Git talks to the node through a small ssh program of ours, so that the machine needs no OpenSSH."""
    rig, key = keyed
    key_file = tmp_path / "key"
    key.write_private_key(str(key_file))
    key_file.chmod(0o600)
    program = tmp_path / "ssh"
    program.write_text(SSH.format(python=sys.executable, key=str(key_file)))
    program.chmod(0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_SSH_COMMAND": str(program),
        "GIT_SSH_VARIANT": "ssh",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "T",
        "GIT_AUTHOR_EMAIL": "t@example.com",
        "GIT_COMMITTER_NAME": "T",
        "GIT_COMMITTER_EMAIL": "t@example.com",
    }

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    clone = str(tmp_path / "clone")
    git("clone", "-q", f"ssh://git@{rig.address(1)}:7999/pay/gateway-service.git", clone)
    (Path(clone) / "big.bin").write_bytes(os.urandom(1_500_000))
    git("-C", clone, "add", ".")
    git("-C", clone, "commit", "-q", "-m", "Over SSH")
    git("-C", clone, "push", "origin", "HEAD:refs/heads/ssh")
    store = Store(rig.database, rig.shared)
    newest = store.activity(limit=1)[0]
    store.close()
    assert (newest.update.ref, newest.user, newest.node) == ("refs/heads/ssh", "developer", "i-1")
    assert newest.update.new == git("-C", clone, "rev-parse", "HEAD")
    assert git("ls-remote", f"ssh://git@{rig.address(1)}:7999/pay/gateway-service", "refs/heads/ssh").startswith(
        newest.update.new
    )


SSH = '''#!{python}
"""Just enough ssh for Git: [-o option] [-p port] user@host command."""
import asyncio, sys
import asyncssh

arguments, port, environment = sys.argv[1:], 22, {{}}
while arguments[0].startswith("-"):
    flag, value, *arguments = arguments
    if flag == "-p":
        port = int(value)
user, _, host = arguments[0].partition("@")


async def main():
    options = dict(username=user, client_keys=[{key!r}], known_hosts=None, agent_path=None, config=None)
    async with asyncssh.connect(host, port, **options) as connection:
        process = await connection.create_process(
            arguments[1], stdin=sys.stdin.buffer, stdout=sys.stdout.buffer, stderr=sys.stderr.buffer, encoding=None
        )
        return (await process.wait()).exit_status


sys.exit(asyncio.run(main()))
'''
