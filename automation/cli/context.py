"""What commands share: settings, the estate, the store of runs, and the Pulumi program where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automation.adapters.pulumi.stack import EstateStack, find_project
from automation.adapters.runs.reader import Run, RunReader
from automation.config import Settings
from automation.ports.errors import NotFound, Refused
from automation.rolling import Estate, estate_of, load_settings, store_of


def settings() -> Settings:
    """Read the settings from environment and file."""
    return load_settings({})


def estate(**roll: object) -> Estate:
    """Return the estate, with settings of the roll given on the command line."""
    return estate_of({name: value for name, value in roll.items() if value is not None})


def program_of(known: Settings) -> Path | None:
    """Return the directory of the Pulumi program that owns the estate; None when there is none."""
    return find_project(known.project.resolve())


def stack_of(known: Settings) -> EstateStack:
    """Return the estate's stack.

    Raises:
        NotFound: there is no program, no ``pulumi``, or no such stack.
    """
    program = program_of(known)
    if program is None:
        raise NotFound(
            f"there is no Pulumi program in {known.project.resolve()} or above",
            hint="go to its directory, set BBDC_PROJECT, or use --direct for an estate that Pulumi does not own",
        )
    return EstateStack(program, known.stack)


@contextmanager
def reader() -> Iterator[RunReader]:
    """Give the read side of the runs."""
    with RunReader(store_of(settings())) as opened:
        yield opened


def newest(runs: RunReader, cluster: str) -> Run:
    """Return the newest run of ``cluster``.

    Raises:
        NotFound: there never was one.
    """
    found = runs.latest(cluster)
    if found is None:
        raise NotFound(
            f"cluster {cluster} has no run in {settings().state}", hint="BBDC_STATE names the directory of the runs"
        )
    return found


def newest_open(runs: RunReader, cluster: str) -> Run:
    """Return the run that is under way.

    Raises:
        Refused: there is none.
    """
    found = newest(runs, cluster)
    if not found.state.is_open:
        raise Refused(
            "no_open_run",
            f"cluster {cluster} has no run under way: {found.id} is {found.state}",
            hint="`bbdc runs` lists them; `bbdc upgrade VERSION` begins one",
        )
    return found
