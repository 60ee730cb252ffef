"""Start a run in a process of its own, stop it, read what it found out."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import psutil

from lab.environment import variables
from lab.files import read_json, write_json
from lab.state import ProcessId, Record
from lab.traffic.report import TrafficReport
from lab.traffic.settings import Settings, Target

START_SECONDS = 60.0
"""Longest time for the log-ins before the load."""

STOP_SECONDS = 180.0
"""Longest time for open requests and the verification after the load."""

_ROOT = Path(__file__).resolve().parent.parent.parent


class NotStarted(Exception):
    """There is no run to speak of."""


class NoRun(NotStarted):
    """There is no such run, or no lab to load."""


class NotLoadable(NotStarted):
    """The load could not begin: no connection, log-in refused, no repositories. Nothing was loaded."""


class Running(Exception):
    """A run is under way already."""


def start(
    lab_dir: Path,
    rate: float = 100.0,
    clones: float = 2.0,
    pushes: float = 1.0,
    seconds: float | None = None,
    *,
    sessions: int = 20,
    seed: int = 0,
    target: Target | None = None,
) -> str:
    """Start a run and return its name as soon as its load has begun.

    Args:
        lab_dir: the lab directory.
        rate: page loads and REST lists a second.
        clones: clones a second.
        pushes: pushes a second.
        seconds: how long the load lasts; None: until ``stop``.
        sessions: people with cookies of their own.
        seed: decides who looks at what.
        target: the server and the credentials; None: the lab's, or those of the environment where there is no lab.

    Raises:
        Running: another run is under way. NotLoadable: the load could not begin. NoRun: there is no lab.
    """
    if (current := _current(lab_dir)) is not None and current[1].find() is not None:
        raise Running(f"run {current[0]} is under way; stop it first")
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(2)
    settings = Settings(name, str(lab_dir.resolve()), rate, clones, pushes, seconds, sessions, seed)
    settings.write()
    process = _launch(settings, target or _target(lab_dir))
    own = ProcessId.of(process.pid, "traffic")
    write_json(lab_dir / "traffic" / "current.json", {"run": name, "pid": own.pid, "created": own.created})
    _adopt(lab_dir, own)
    _wait_until_begun(settings, process)
    return name


def stop(lab_dir: Path) -> TrafficReport:
    """End the current run's load, wait until its pushes are verified, and return what it found out.

    A run that has ended already is success.

    Raises:
        NoRun: there never was a run. TimeoutError: it does not end.
    """
    name, process = _known(lab_dir)
    found = process.find()
    if found is not None:
        try:
            found.terminate()
            found.wait(STOP_SECONDS)
        except psutil.NoSuchProcess:
            pass  # ended by itself in between
        except psutil.TimeoutExpired as error:
            raise TimeoutError(f"run {name} (process {process.pid}) does not end") from error
    return report(lab_dir, name)


def report(lab_dir: Path, run: str | None = None) -> TrafficReport:
    """Return what a run has found out so far; the current or last one unless named.

    Raises:
        NoRun: there is no such run.
    """
    name, process = _known(lab_dir)
    path = lab_dir / "traffic" / (run or name) / "summary.json"
    over = run not in {None, name} or process.find() is None  # before the file: it may end in between
    try:
        found = TrafficReport.from_json(read_json(path))
    except FileNotFoundError as error:
        raise NoRun(f"there is no run {run or name} in {lab_dir}") from error
    died = over and found.state not in {"finished", "failed"}
    return replace(found, state="died", error="the process ended before its run did") if died else found


def _target(lab_dir: Path) -> Target:
    record = Record.read(lab_dir)
    try:
        return Target.from_environment(os.environ if record is None else variables(lab_dir, record))
    except KeyError as error:
        raise NoRun(f"there is no lab in {lab_dir}, and {error.args[0]} is not set") from error


def _launch(settings: Settings, target: Target) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "lab.traffic", str(settings.file)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), **target.to_environment()}
    with (settings.folder / "traffic.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=settings.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal that started it is not meant for it
        )
    threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie behind
    return process


def _wait_until_begun(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        summary = settings.folder / "summary.json"
        state = read_json(summary)["state"] if summary.exists() else "starting"
        if state in {"running", "verifying", "finished"}:
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    else:
        process.terminate()
        process.wait()
    raise NotLoadable(_why(settings))


def _why(settings: Settings) -> str:
    summary, log = settings.folder / "summary.json", settings.folder / "traffic.log"
    error = read_json(summary).get("error") if summary.exists() else None
    return str(error or f"the load did not begin: {' '.join(log.read_text().splitlines()[-1:])} (see {log})")


def _adopt(lab_dir: Path, process: ProcessId) -> None:
    """Tell the lab's daemon, so that the lab's end is the load's end, too."""
    record = Record.read(lab_dir)
    if record is None or not record.alive():
        return
    httpx.post(
        f"{record.control}/children",
        json={"pid": process.pid, "name": process.name},
        headers={"Authorization": f"Bearer {record.token}"},
        trust_env=False,
    ).raise_for_status()


def _current(lab_dir: Path) -> tuple[str, ProcessId] | None:
    path = lab_dir / "traffic" / "current.json"
    if not path.exists():
        return None
    known = read_json(path)
    return known["run"], ProcessId(known["pid"], known["created"], "traffic")


def _known(lab_dir: Path) -> tuple[str, ProcessId]:
    current = _current(lab_dir)
    if current is None:
        raise NoRun(f"there never was a run of traffic in {lab_dir}")
    return current
