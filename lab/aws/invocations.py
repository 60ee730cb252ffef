"""One command on one machine: a process with a state, an output and a limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.aws.members import moment

OVER = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})
CONTENT, OUTPUT = 24_000, 2_500
"""Characters that get_command_invocation and list_command_invocations show."""


@dataclass(slots=True)
class Command:
    """What one send_command asked for; times in seconds."""

    instances: tuple[str, ...]
    script: str
    parameters: Mapping[str, list[str]]
    comment: str
    delivery: float
    execution: float
    requested: float
    targets: list[dict[str, Any]] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    invocations: list[Invocation] = field(init=False)

    def __post_init__(self) -> None:
        self.invocations = [Invocation(self, instance) for instance in self.instances]

    @property
    def status(self) -> str:
        """The worst that any invocation came to, or how far they are."""
        states = {invocation.status for invocation in self.invocations}
        order = ("InProgress", "Pending", "TimedOut", "Failed", "Cancelled", "Success")
        return next((state for state in order if state in states), "Success")

    def matches(self, identity: str | None, instance: str | None, filters: Iterable[Mapping[str, str]]) -> bool:
        """Say whether list_commands would show it."""
        if identity not in {None, self.id} or (instance is not None and instance not in self.instances):
            return False
        return all(_passes(self.status, line) for line in filters)

    def wire(self) -> dict[str, Any]:
        """Return it as the API does."""
        return {
            "CommandId": self.id,
            "DocumentName": "AWS-RunShellScript",
            "Comment": self.comment,
            "Parameters": dict(self.parameters),
            "InstanceIds": list(self.instances),
            "Targets": self.targets,
            "RequestedDateTime": moment(self.requested),
            "ExpiresAfter": moment(self.requested + self.delivery + self.execution),
            "Status": self.status,
            "StatusDetails": _words(self.status),
            "TargetCount": len(self.invocations),
            "CompletedCount": sum(invocation.over for invocation in self.invocations),
            "ErrorCount": sum(invocation.status in {"Failed", "TimedOut"} for invocation in self.invocations),
            "TimeoutSeconds": int(self.delivery),
        }


@dataclass(slots=True, eq=False)
class Invocation:
    """The command on one of its machines."""

    command: Command
    instance: str
    status: str = "Pending"
    details: str = "Pending"
    code: int = -1
    started: float | None = None
    ended: float | None = None
    lost: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _output: Path | None = None

    @property
    def over(self) -> bool:
        """Whether it has come to an end."""
        return self.status in OVER

    @property
    def pid(self) -> int | None:
        """Its process while it runs."""
        running = self._process is not None and not self.over and self._process.poll() is None
        return self._process.pid if running and self._process is not None else None

    def start(self, directory: Path, now: float) -> None:
        """Run the script as the machine's agent does."""
        self._output = directory / "ssm" / self.command.id
        self._output.mkdir(parents=True, exist_ok=True)
        script = self._output / "script.sh"
        script.write_text(self.command.script + "\n")
        environment = {
            "PATH": f"{directory / 'bin'}{os.pathsep}{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(directory),
            "LAB_MACHINE": str(directory),
            "BBDC_ROOT": str(directory / "root"),
            "LANG": "C.UTF-8",
        }
        with (self._output / "stdout").open("wb") as out, (self._output / "stderr").open("wb") as err:
            self._process = subprocess.Popen(
                ["/bin/sh", str(script)], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True,
            )  # fmt: skip
        self.status = self.details = "InProgress"
        self.started = now

    def lose(self) -> None:
        """The machine is gone or its agent silent: nothing more will be heard."""
        if self.status == "InProgress":
            self.lost = True

    def advance(self, now: float) -> None:
        """Take in the end of the process, or of patience."""
        if self.status == "Pending" and now - self.command.requested > self.command.delivery:
            self._end(now, "TimedOut", "Delivery Timed Out")
        elif self.status == "InProgress" and self._process is not None:
            code = None if self.lost else self._process.poll()
            if code is not None:
                self.code = code if code >= 0 else 128 - code
                self._end(now, *(("Success", "Success") if code == 0 else ("Failed", "Failed")))
            elif now - (self.started or now) > self.command.execution:
                self.kill()
                self._end(now, "TimedOut", "Execution Timed Out")

    def cancel(self, now: float) -> None:
        """End it at somebody's wish."""
        if not self.over:
            self.kill()
            self._end(now, "Cancelled", "Cancelled")

    def kill(self) -> None:
        """End the process and its children."""
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def matches(self, filters: Iterable[Mapping[str, str]]) -> bool:
        """Say whether list_command_invocations would show it."""
        return all(_passes(self.status, line) for line in filters)

    def wire(self) -> dict[str, Any]:
        """Return it as get_command_invocation does."""
        return {
            "CommandId": self.command.id,
            "InstanceId": self.instance,
            "Comment": self.command.comment,
            "DocumentName": "AWS-RunShellScript",
            "PluginName": "aws:runShellScript",
            "ResponseCode": self.code,
            "ExecutionStartDateTime": "" if self.started is None else moment(self.started).isoformat(),
            "ExecutionEndDateTime": "" if self.ended is None else moment(self.ended).isoformat(),
            "Status": self.status,
            "StatusDetails": self.details,
            "StandardOutputContent": self._read("stdout", CONTENT),
            "StandardErrorContent": self._read("stderr", CONTENT),
        }

    def listed(self, *, details: bool) -> dict[str, Any]:
        """Return it as list_command_invocations does."""
        line: dict[str, Any] = {
            "CommandId": self.command.id,
            "InstanceId": self.instance,
            "Comment": self.command.comment,
            "DocumentName": "AWS-RunShellScript",
            "RequestedDateTime": moment(self.command.requested),
            "Status": self.status,
            "StatusDetails": self.details,
        }
        plugin = {"Name": "aws:runShellScript", "Status": self.status, "StatusDetails": self.details}
        output = {"ResponseCode": self.code, "Output": self._read("stdout", OUTPUT)}
        return line | ({"CommandPlugins": [plugin | output]} if details else {})

    def _end(self, now: float, status: str, details: str) -> None:
        self.status, self.details, self.ended = status, details, now

    def _read(self, name: str, limit: int) -> str:
        if self._output is None or not self.over:
            return ""
        with (self._output / name).open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")


def _words(status: str) -> str:
    return {"InProgress": "In Progress", "TimedOut": "Execution Timed Out"}.get(status, status)


def _passes(status: str, line: Mapping[str, str]) -> bool:
    """Apply a command filter; filters on other things than the status let everything through."""
    return line.get("key") != "Status" or line.get("value") == status
