"""``bbdc lab``: an estate on this computer to rehearse on; also ``python -m lab.cli``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cyclopts

from automation.cli.exit_codes import code_of
from automation.ports.errors import BbdcError, Refused
from lab import show
from lab.environment import exports
from lab.invariants import ImpossibleWorld, refuse
from lab.start import alone, ask, remove, running, start_daemon
from lab.start import stop as end_lab
from lab.state import Options, Record
from lab.words import Directory, Json, place_of, print_json

app = cyclopts.App(name="lab", help="A Bitbucket estate on this computer, to rehearse on.")
fault = cyclopts.App(name="fault", help="Let something go wrong, by name.")
app.command(fault)
app.command("lab.traffic.cli:app", name="traffic", help="Load the cluster as its users do.")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@app.command
def up(
    *,
    directory: Directory = None,
    cloud: str = "aws",
    nodes: int = 3,
    version: str = "7.9.0",
    boot: float = 4.0,
    snapshots: float = 1.0,
    seed: int = 0,
    as_json: Json = False,
) -> int:
    """Build an estate with the Pulumi program and return when the cluster serves.

    Args:
        directory: where everything is kept.
        cloud: which cloud it stands in: aws or azure.
        nodes: machines in the group.
        version: Bitbucket version to begin with.
        boot: seconds that a node takes to start; a real one takes minutes.
        snapshots: seconds until snapshots of volumes and of the database are complete; real ones take minutes.
        seed: seed of whatever is left to chance.
        as_json: print what was built as JSON.
    """
    place = place_of(directory)
    options = Options(
        cloud=cloud,
        nodes=nodes,
        version=version,
        boot=boot,
        snapshot=snapshots,
        database_snapshot=snapshots,
        seed=seed,
    )
    try:
        refuse(nodes=nodes, version=version, cloud=cloud, tempo=options.tempo)
    except ImpossibleWorld as error:
        raise Refused("impossible_world", str(error)) from error
    with alone(place):
        found = Record.read(place)
        if found is not None and found.alive() and found.ready:
            return _report(place, found, as_json=as_json, news=False)
        return _bring_up(place, options, as_json=as_json)


def _bring_up(place: Path, options: Options, *, as_json: bool) -> int:
    from lab import program  # noqa: PLC0415 - it brings much along that the other commands do not need

    if end_lab(place):
        _say("cleaned up after a lab that was killed")
    _say(f"starting the lab in {place}")
    record = start_daemon(place, options)
    try:
        program.prepare(place, record, options)
        program.build(place, record, _say)
        program.wait_until_serving(record, options, _say)
    except BaseException:
        _say(f"the lab is left as it is for a look: {place / 'log'}; `bbdc lab down` removes it")
        raise
    return _report(place, record, as_json=as_json, news=True)


def _report(place: Path, record: Record, *, as_json: bool, news: bool) -> int:
    status = ask(record, "GET", "/status")
    if as_json:
        print_json(show.summary(place, record, status) | {"built": news})
    else:
        sys.stdout.write(show.built(place, record, status, news=news))
    return 0


@app.command
def down(*, directory: Directory = None, as_json: Json = False) -> int:
    """End every process that the lab has started, and remove what it wrote."""
    place = place_of(directory)
    if not place.exists():
        ended = 0
    else:
        with alone(place):
            ended = end_lab(place)
            remove(place)
    if as_json:
        print_json({"directory": str(place), "ended": ended})
    else:
        sys.stdout.write(f"{ended} processes ended; nothing of the lab is left in {place}\n")
    return 0


@app.command
def status(*, directory: Directory = None, as_json: Json = False) -> int:
    """Show nodes, targets, faults, and whether every invariant has held."""
    place = place_of(directory)
    record = running(place)
    found = ask(record, "GET", "/status")
    if as_json:
        print_json(show.summary(place, record, found))
    else:
        sys.stdout.write(show.status(place, record, found))
    return 0


@app.command
def env(*, directory: Directory = None) -> int:
    """Print export lines for a shell: eval "$(bbdc lab env)"."""
    place = place_of(directory)
    sys.stdout.write(exports(place, running(place)))
    return 0


@fault.command(name="list")
def fault_list(*, directory: Directory = None, as_json: Json = False) -> int:
    """Show every fault by name, and those that are switched on."""
    found = ask(running(place_of(directory)), "GET", "/faults")
    if as_json:
        print_json(found)
    else:
        sys.stdout.write(show.faults(found))
    return 0


@fault.command(name="set")
def fault_set(name: str, /, *parameters: str, directory: Directory = None, as_json: Json = False) -> int:
    """Switch a fault on.

    Args:
        name: as `bbdc lab fault list` shows it.
        parameters: key=value pairs; times=N limits how often it strikes.
        directory: the lab's directory.
        as_json: print the fault as JSON.
    """
    params = dict(_pair(word) for word in parameters)
    times = params.pop("times", None)
    body: dict[str, Any] = {"name": name, "params": params, "times": None if times is None else int(times)}
    found = ask(running(place_of(directory)), "POST", "/faults", body)
    if as_json:
        print_json(found)
    else:
        sys.stdout.write(f"{show.fault(found)}\n")
    return 0


@fault.command(name="clear")
def fault_clear(name: str | None = None, /, *, directory: Directory = None) -> int:
    """Switch one fault off, or all."""
    path = "/faults" if name is None else f"/faults/{name}"
    found = ask(running(place_of(directory)), "DELETE", path)
    sys.stdout.write(f"{found['cleared']} faults switched off\n")
    return 0


def _pair(word: str) -> tuple[str, str]:
    key, separator, value = word.partition("=")
    if not separator or not key:
        raise Refused("fault_parameter", f"{word!r} is not key=value")
    return key, value


def main() -> int:
    """Run ``python -m lab.cli``."""
    try:
        return int(app(result_action="return_value") or 0)
    except BbdcError as error:
        sys.stderr.write(f"bbdc lab: {error}\n")
        return int(code_of(error))


if __name__ == "__main__":
    sys.exit(main())
