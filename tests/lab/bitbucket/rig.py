"""Real node processes on loopback for tests: a fabric in this process, nodes beside it, ended by id."""

from __future__ import annotations

import json
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from lab.bitbucket.fabric import LAB_SETTINGS, Fabric
from lab.bitbucket.records import Settings
from lab.bitbucket.seeding import seed

PASSWORD = "correct horse battery staple"
TOKEN = "BBDC-test-token-0123456789"
QUICK = replace(
    LAB_SETTINGS,
    boot_seconds=0.3,
    refusal_seconds=0.3,
    terminate_seconds=0.1,
    silent_seconds=0.8,
    answer_seconds=0.2,
    tasks_seconds=0.3,
    collision_chance=0.0,
    database_drain_seconds=0.1,
    scm_drain_seconds=0.2,
    lock_check_seconds=0.1,
)


def wait_for(what: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Return the first true answer of ``what``; fail when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := what():
            return answer
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds} s: {what}")


def claim_network() -> tuple[int, socket.socket]:
    """Return an octet N whose network 127.N.0.0/16 is nobody else's for as long as the socket is open.

    Labs claim theirs in the same way. An address that was only found free may be another worker's a moment later.
    """
    for octet in range(100, 250):
        claim = socket.socket()
        try:
            claim.bind((f"127.{octet}.255.254", 7990))
        except OSError:
            claim.close()
            continue
        return octet, claim
    raise AssertionError("no free octet")


class Rig:
    """A fabric, a seeded shared home, and any number of node processes."""

    def __init__(self, root: Path, settings: Settings = QUICK, repositories: int = 3) -> None:
        self.root = root
        self.octet, self._claim = claim_network()
        self.shared, self.database = root / "shared", root / "db" / "bitbucket.sqlite"
        seed(self.shared, self.database, admin_password=PASSWORD, admin_token=TOKEN, repositories=repositories)
        token = secrets.token_urlsafe(24)
        self.token_file = root / "fabric.token"
        self.token_file.touch(0o600)
        self.token_file.write_text(token)
        self.fabric = Fabric(settings, token=token, heartbeat_timeout=0.8)
        self.url = self.fabric.serve()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def address(self, number: int) -> str:
        return f"127.{self.octet}.0.{10 + number}"

    def start(self, number: int, version: str = "7.9.0", *, wait: bool = True, **fields: Any) -> str:
        """Start node ``number``; return its base URL."""
        home = self.root / f"i-{number}"
        home.mkdir(exist_ok=True)
        file = home / "node.json"
        known = {
            "id": f"i-{number}",
            "address": self.address(number),
            "version": version,
            "fabric_url": self.url,
            "fabric_token_file": str(self.token_file),
            "shared": str(self.shared),
            "database": str(self.database),
            "home": str(home),
            "grace_seconds": 5.0,
            "heartbeat_seconds": 0.05,
            "ssh_port": 0,
        }
        file.write_text(json.dumps(known | fields))
        process = subprocess.Popen([sys.executable, "-m", "lab.bitbucket.node", str(file)])
        self.processes[f"i-{number}"] = process
        url = f"http://{self.address(number)}:7990"
        if wait:
            wait_for(lambda: self.state(number) == "RUNNING")
        return url

    def state(self, number: int) -> str | None:
        """State that the node's own /status tells; None when nobody answers."""
        try:
            answer = httpx.get(f"http://{self.address(number)}:7990/status", timeout=2.0)
        except httpx.TransportError:
            return None
        return str(answer.json()["state"])

    def client(self, number: int, **options: Any) -> httpx.Client:
        """HTTP client of the administrator, by token."""
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Atlassian-Token": "no-check"}
        base = f"http://{self.address(number)}:7990"
        return httpx.Client(base_url=base, headers=headers | options.pop("headers", {}), timeout=10.0, **options)

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(10)
        self.fabric.close()
        self._claim.close()
