"""What several commands need."""

import json
from collections.abc import Sequence
from typing import Any

from lab.pulumi.arguments import Invocation
from lab.pulumi.errors import UsageError
from lab.pulumi.session import Session
from lab.pulumi.workspace import Workspace


def open_workspace(invocation: Invocation, session: Session) -> Workspace:
    """The workspace of a command, with its --config-file."""
    return Workspace.open(session, invocation.text("config-file"))


def stack_of(invocation: Invocation, workspace: Workspace) -> str:
    """The stack of a command: --stack or the current one."""
    return workspace.stack(invocation.text("stack") or None)


def print_json(session: Session, document: Any) -> None:
    """Print a JSON document, indented."""
    session.write(json.dumps(document, indent=2))


def print_table(session: Session, headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns, each as wide as its widest cell."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    for row in (headings, *rows):
        session.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def confirm(session: Session, question: str, expected: str) -> bool:
    """Ask a person to type a word.

    Raises:
        UsageError: there is nobody to ask.
    """
    if not session.interactive:
        raise UsageError("--yes must be passed in non-interactive mode")
    return session.ask(f"{question} ").strip() == expected
