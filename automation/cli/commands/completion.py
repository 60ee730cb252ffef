"""``bbdc completion``: the shell learns commands and options."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from automation.cli.table import COMMANDS

Shell = Annotated[Literal["bash", "zsh", "fish"], Parameter(help="bash, zsh or fish.")]


def completion(shell: Shell, /) -> int:
    """Print a completion script: `source <(bbdc completion bash)`, or write it where the shell looks for such files."""
    app = cyclopts.App(name="bbdc", help_format="plaintext")
    for command in COMMANDS:
        app.command(command.where, name=command.name, help=command.summary)
    sys.stdout.write(app.generate_completion(shell=shell))
    return 0
