"""``bbdc lab traffic``: put load on the cluster, and hear what the users noticed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cyclopts

from automation.ports.errors import Conflict, NotFound, Unavailable, Unreachable
from lab.traffic import commands
from lab.traffic.report import TrafficReport
from lab.words import Directory, Json, place_of, print_json

app = cyclopts.App(name="traffic", help="Load the cluster as users do, and count every failed request.")


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except commands.Running as error:
        raise Conflict(str(error), hint="`bbdc lab traffic stop` ends it") from error
    except commands.NotLoadable as error:
        raise Unreachable(str(error), hint="`bbdc lab status` shows whether the cluster serves") from error
    except commands.NotStarted as error:
        raise NotFound(str(error), hint="`bbdc lab traffic start` begins a run") from error
    except TimeoutError as error:
        raise Unavailable(str(error)) from error


@app.command
def start(
    *,
    directory: Directory = None,
    rate: float = 100.0,
    clones: float = 2.0,
    pushes: float = 1.0,
    seconds: float | None = None,
    as_json: Json = False,
) -> int:
    """Begin, and return once the load is on.

    Args:
        directory: the lab's directory.
        rate: page loads and REST lists a second.
        clones: git clones a second.
        pushes: git pushes a second.
        seconds: end by itself after so long; otherwise at `stop`.
        as_json: print the run's name as JSON.
    """
    with _plain_errors():
        run = commands.start(place_of(directory), rate, clones, pushes, seconds)
    if as_json:
        print_json({"run": run})
    else:
        sys.stdout.write(f"traffic {run}: {rate:g} pages, {clones:g} clones, {pushes:g} pushes a second\n")
    return 0


@app.command
def stop(*, directory: Directory = None, as_json: Json = False) -> int:
    """End the load, look for every acknowledged push, and report; exit code 1 when anything failed."""
    with _plain_errors():
        found = commands.stop(place_of(directory))
    return _tell(found, as_json=as_json)


@app.command
def report(run: str | None = None, /, *, directory: Directory = None, as_json: Json = False) -> int:
    """Tell what a run has found out so far; exit code 1 when anything failed.

    Args:
        run: its name; the newest unless given.
        directory: the lab's directory.
        as_json: print all of it as JSON (docs/reference/lab-traffic.md).
    """
    with _plain_errors():
        found = commands.report(place_of(directory), run)
    return _tell(found, as_json=as_json)


def _tell(found: TrafficReport, *, as_json: bool) -> int:
    if as_json:
        print_json(found.to_json())
    else:
        sys.stdout.write(_text(found))
    return 1 if found.failed or found.missing or found.error else 0


def _text(found: TrafficReport) -> str:
    lines = [
        f"{found.failed} failed of {found.requests} requests",
        f"{found.rate:.0f} a second; p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms, max {found.max_ms:.0f} ms",
    ]
    if found.maintenance:
        seconds = sum(window.until - window.since for window in found.locked)
        lines.append(f"{found.maintenance} turned away by the maintenance page, locked {seconds:.1f} s in all")
    lines += [f"  +{f.time - found.started:.1f} s {f.kind} {f.what}: {f.error}" for f in found.failures[:20]]
    verified = "not looked for yet" if found.pushes_verified is None else f"{found.pushes_verified} are there"
    lines.append(f"{found.pushes_acknowledged} pushes acknowledged, {verified}")
    lines += [f"  MISSING {push.repository} {push.branch} {push.commit}" for push in found.missing]
    lines += [f"error: {found.error}"] if found.error else []
    return "\n".join(lines) + "\n"
