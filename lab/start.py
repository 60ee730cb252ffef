"""Bring the daemon up, and clean up after one that was killed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psutil

from automation.ports.errors import NotFound, Unavailable, Unexpected
from lab.data.storage import PLACES
from lab.state import OPTIONS, RECORD, Options, ProcessId, Record, end

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0
"""Seconds that a daemon may take to start, and to end."""
LEFT_OVER = ("tasks", "instances", *PLACES, "pulumi", "state", "traffic", "bin", "archive", "log", "tls")
"""What a lab writes; its cloud lives in the daemon's memory, so none of it is worth anything without the daemon."""
FILES = (OPTIONS, RECORD, "balancer.json", "control.token", "fabric.token", "Pulumi.lab.yaml", "ca-bundle.pem")


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold the lab directory: no two commands bring it up or down at once."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def running(directory: Path) -> Record:
    """Return the record of a lab that runs. Raises NotFound when there is none."""
    record = Record.read(directory)
    if record is None or not record.alive() or not record.ready:
        raise NotFound(f"no lab runs in {directory}", hint="start one with `bbdc lab up`")
    return record


def start_daemon(directory: Path, options: Options) -> Record:
    """Start a daemon and wait until it is ready.

    Raises:
        Unexpected: it ended, or did not become ready in time; the message ends with its last words.
    """
    options.write(directory)
    log = directory / "log" / "daemon.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    daemon = _spawn(directory, log)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        record = Record.read(directory)
        if record is not None and record.ready and record.daemon.pid == daemon.pid:
            return record
        if daemon.find() is None:
            raise Unexpected(f"the lab's daemon ended: {_last(log)}", hint=f"see {log}")
        time.sleep(0.05)
    end([daemon])
    raise Unexpected(f"the lab's daemon was not ready after {PATIENCE:.0f} s", hint=f"see {log}")


def _spawn(directory: Path, log: Path) -> ProcessId:
    """Start the daemon in the background."""
    with log.open("ab") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "lab.daemon", str(directory), "--background"], cwd=directory, env=_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, check=True,
        )  # fmt: skip
    try:
        return ProcessId.of(int(done.stdout), "daemon")
    except psutil.NoSuchProcess as error:
        raise Unexpected(f"the lab's daemon ended: {_last(log)}", hint=f"see {log}") from error


def stop(directory: Path) -> int:
    """End the lab's processes, whatever state it is in, and remove what it wrote; return how many ended."""
    record = Record.read(directory)
    ended = 0
    if record is not None:
        ended = sum(process.find() is not None for process in (record.daemon, *record.children))
        end([record.daemon], patience=PATIENCE)
        end((Record.read(directory) or record).children)  # it may have started some since it was read first
    remove(directory)
    return ended


def remove(directory: Path) -> None:
    """Remove what a lab has written, and nothing else that may lie there."""
    for name in LEFT_OVER:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in FILES:
        (directory / name).unlink(missing_ok=True)


def ask(record: Record, method: str, path: str, body: object = None, patience: float = 30.0) -> dict[str, Any]:
    """Ask the daemon's control API.

    Raises:
        Unavailable: it did not answer.
        Unexpected: it refused; the message says why.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {record.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(record.control + path, data, headers, method=method)  # noqa: S310 - our own loopback URL
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=patience) as answer:
            return cast("dict[str, Any]", json.load(answer))
    except urllib.error.HTTPError as error:
        raise Unexpected(json.load(error)["message"]) from error
    except OSError as error:
        raise Unavailable(f"the lab's daemon does not answer: {error}") from error


def _environment() -> dict[str, str]:
    """Return the daemon's environment: no cloud, no credentials and no proxy of whoever starts the lab."""
    dropped = ("AWS_", "AZURE_", "ARM_", "PULUMI_", "BITBUCKET_", "BBDC_", "MOTO_")
    proxies = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(dropped) and name.lower() not in proxies
    }
    return kept | {"PYTHONPATH": str(ROOT)}


def _last(log: Path, lines: int = 3) -> str:
    return " | ".join(log.read_text(errors="replace").strip().splitlines()[-lines:])
