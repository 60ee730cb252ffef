"""The engine as a PulumiCommand of the Automation API: no process for each command.

auto.LocalWorkspaceOptions(pulumi_command=InProcessPulumi())
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from lab.pulumi.__main__ import run
from lab.pulumi.session import Session
from lab.pulumi.version import CLI_VERSION

OnOutput = Callable[[str], Any] | None


def _collector(lines: list[str], callback: OnOutput) -> Callable[[str], None]:
    def write(text: str) -> None:
        for line in text.split("\n"):
            lines.append(line.rstrip())
            if callback:
                callback(line.rstrip())

    return write


class InProcessPulumi(PulumiCommand):
    """Answers the Automation API's commands in this process, with the same text as the shim would."""

    def __init__(self) -> None:
        """No command is looked up: there is none."""
        self.command = "pulumi"
        self.version = VersionInfo.parse(CLI_VERSION)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput = None,
        on_error: OnOutput = None,
    ) -> CommandResult:
        """Run one command.

        Raises:
            CommandError: it failed; the kind is told from the text, as for the genuine command.
        """
        out: list[str] = []
        err: list[str] = []
        env = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        session = Session(Path(cwd).absolute(), env, _collector(out, on_output), _collector(err, on_error))
        code = run(args, session)
        result = CommandResult(stdout="\n".join(out), stderr="\n".join(err), code=code)
        if code:
            raise create_command_error(result)
        return result
