"""``bbdc``: find the command, run it, and turn what went wrong into one message and an exit code."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING

from automation.cli.table import COMMANDS, overview

if TYPE_CHECKING:
    import cyclopts

DISTRIBUTION = "bitbucket-dc"
EXTENSIONS = "bitbucket_dc.commands"
"""Entry-point group of further commands; each is a cyclopts App, loaded only when it is used."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``bbdc`` and exit with its code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code."""
    if not arguments or arguments[0] in {"--help", "-h", "help"}:
        sys.stdout.write(overview(_extensions()) + "\n")
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"bbdc {_version()}\n")
        return 0
    return _run_command(arguments)


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+source"


def _extensions() -> dict[str, str]:
    return {entry.name: _first_line(entry.module) for entry in metadata.entry_points(group=EXTENSIONS)}


def _first_line(module: str) -> str:
    """Return the first line of a module's docstring without running the module."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return f"(module {module} is missing)"
    with open(spec.origin, encoding="utf-8") as source:  # noqa: PTH123 (pathlib costs help 10 ms)
        first = next((line for line in source if line.startswith('"""')), "")
    words = first.strip().strip('"').rpartition("``: ")[2].partition(";")[0].rstrip(".")
    return f"{words[:1].upper()}{words[1:]}."


def _run_command(arguments: Sequence[str]) -> int:
    from automation.cli.trouble import tell, told  # noqa: PLC0415 (--help must not pay for it)

    wants_json = "--json" in arguments
    try:
        app = _app_of(arguments[0])
        result = app(
            list(arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the one place where errors become exit codes)
        return tell(told(error, arguments), as_json=wants_json)
    return int(result or 0)


def _app_of(name: str) -> cyclopts.App:
    """Return an app that knows the one command asked for."""
    import cyclopts  # noqa: PLC0415 (--help must not pay for it)

    # An interrupt is ours to explain: how to go on.
    app = cyclopts.App(name="bbdc", version=_version, help_format="plaintext", suppress_keyboard_interrupt=False)
    for command in COMMANDS:
        if command.name == name:
            app.command(command.where, name=command.name, help=command.summary)
            return app
    for entry in metadata.entry_points(group=EXTENSIONS):
        if entry.name == name:
            app.command(entry.load(), name=entry.name)
            return app
    raise _unknown(name)


def _unknown(name: str) -> Exception:
    from automation.cli.exit_codes import Usage  # noqa: PLC0415 (--help must not pay for it)

    return Usage(f"there is no command '{name}'", hint="`bbdc --help` lists them")


if __name__ == "__main__":
    main()
