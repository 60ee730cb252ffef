"""`python -m lab.pulumi ARGS`: the engine as the `pulumi` command."""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lab.pulumi.arguments import Invocation, parse, render_help
from lab.pulumi.commands.table import COMMANDS, SHARED
from lab.pulumi.errors import EngineError, UsageError
from lab.pulumi.session import Session

FAILURE = 255
"""The genuine command line's exit code for every failure."""

Handler = Callable[[Invocation, Session], int]


def _handler(invocation: Invocation) -> Handler:
    module, _, name = invocation.command.handler.partition(":")
    if not module:
        raise UsageError(f"`pulumi {' '.join(invocation.command.words)}` needs a subcommand; try --help")
    handler: Handler = getattr(importlib.import_module(f"lab.pulumi.commands.{module}"), name)
    return handler


def _surroundings(invocation: Invocation, session: Session) -> Session:
    cwd = (session.cwd / invocation.text("cwd")).resolve() if invocation.text("cwd") else session.cwd
    return replace(session, cwd=cwd, interactive=session.interactive and not invocation.on("non-interactive"))


def run(argv: Sequence[str], session: Session) -> int:
    """Run one command line; its exit code. Nothing is raised: errors are printed."""
    try:
        invocation = parse(argv, session.env, COMMANDS, SHARED)
        if invocation.on("help"):
            session.write(render_help(invocation.command, COMMANDS, SHARED))
            return 0
        return _handler(invocation)(invocation, _surroundings(invocation, session))
    except EngineError as error:
        session.error(f"error: {error}")
        return FAILURE


def _line_writer(stream: int) -> Callable[[str], None]:
    def write(line: str) -> None:
        data = f"{line}\n".encode(errors="replace")
        while data:
            data = data[os.write(stream, data) :]

    return write


def _ask(prompt: str) -> str:
    sys.stdout.write(prompt)
    sys.stdout.flush()
    return sys.stdin.readline()


def process_session(env: Mapping[str, str]) -> Session:
    """The session of this very process: its terminal and its signals."""
    session = Session(
        cwd=Path.cwd(),
        env=env,
        write=_line_writer(1),
        error=_line_writer(2),
        interactive=sys.stdin.isatty() and sys.stdout.isatty() and "CI" not in env,
        ask=_ask,
        read=sys.stdin.read,
    )

    def cancel(number: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's signature
        if session.cancellation.requested:
            os._exit(FAILURE)
        session.error("cancelling: no further step is started; again to stop at once")
        # From a thread: the handler interrupts code that may hold the very locks the request needs.
        threading.Thread(target=session.cancellation.request, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, cancel)
    return session


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process's own command line."""
    try:
        return run(sys.argv[1:] if argv is None else argv, process_session(dict(os.environ)))
    except BrokenPipeError:
        return FAILURE


if __name__ == "__main__":
    sys.exit(main())
