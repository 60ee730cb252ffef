"""What commands share: settings, the estate, the store of runs, and the Pulumi program where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from automation.adapters.runs.reader import Run, RunReader
from automation.config import Settings
from automation.ports.errors import NotFound, Refused
from automation.rolling import Estate, estate_of, load_settings, store_of

if TYPE_CHECKING:
    from automation.adapters.pulumi.stack import EstateStack


def settings() -> Settings:
    """Read the settings from environment and file."""
    return load_settings({})


def estate(**roll: object) -> Estate:
    """Return the estate as the environment describes it, with settings of the roll given on the command line."""
    return estate_of(_given(roll))


def estate_to_roll(stack: EstateStack | None, **roll: object) -> Estate:
    """Return the estate with the roll's settings as the stack has them; the command line's win."""
    return estate_of((stack.settings() if stack is not None else {}) | _given(roll))


def _given(roll: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in roll.items() if value is not None}


def stack_here(*, direct: bool) -> EstateStack | None:
    """Return the stack of the Pulumi program that owns the estate; None when none does, or ``direct`` says so.

    Raises:
        NotFound: there is a program, but no ``pulumi``, or no such stack.
    """
    if direct:
        return None
    from automation.adapters.pulumi.stack import EstateStack, find_project  # noqa: PLC0415 (half a second)

    known = settings()
    program = find_project(known.project.resolve())
    return None if program is None else EstateStack(program, known.stack)


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
