"""Write to standard output: JSON for machines, words and tables for people; credentials never."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from automation.cli.trouble import redactor

PIPE_WIDTH = 400
"""A row of a table stays one line for whoever reads it with a program."""


def say(text: str) -> None:
    """Write one line for people."""
    sys.stdout.write(redactor().text(text) + "\n")
    sys.stdout.flush()


def emit(shape: object) -> None:
    """Write one JSON value on one line."""
    sys.stdout.write(json.dumps(redactor().value(shape)) + "\n")
    sys.stdout.flush()


def emit_event(event: str, **fields: Any) -> None:
    """Write one event of ``--json``'s stream."""
    emit({"event": event, **fields})


def console() -> Console:
    """Return the terminal; plain in a pipe, where no line is broken, and with NO_COLOR."""
    is_pipe = not sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=is_pipe, width=PIPE_WIDTH if is_pipe else None)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a light table."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def clock_time(seconds: float) -> str:
    """Return the time of day, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """Return a duration as people say it: 8 s, 4 min 10 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
