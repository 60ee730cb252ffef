"""Scripts on machines through Run Command, with their answers (``ports.shell.Shell``).

Run Command gives back the last 4096 bytes of each stream, and calls every script that ended a success. So the script is
run by another one, which ends it in time and prints its status as the last line.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from automation.adapters.azure import tags
from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.ids import group_of, name_of, plain
from automation.adapters.azure.machines import machines_of, number_of
from automation.adapters.azure.session import Caller
from automation.ports.errors import Conflict, NotFound, Unavailable, Unexpected
from automation.ports.shell import Result

COMMAND = "RunShellScript"
TIMED_OUT = 124
"""Status with which ``timeout`` says that it ended a script."""
_MARK = "bbdc-exit:"
_ANSWER = re.compile(rf"\[stdout\]\n(?P<output>.*?)\n?{_MARK}(?P<code>\d+)\n\n?\[stderr\]\n?(?P<errors>.*)", re.DOTALL)
_OVER = "BBDC_SCRIPT_ENDS_HERE"
_SILENT = "VMAgentStatusCommunicationError"
Json = dict[str, Any]


class AzureShell:
    """Implements ``ports.shell.Shell`` over Run Command, on single machines and on those of the scale set."""

    def __init__(self, caller: Caller, cluster: str) -> None:
        self._caller = caller
        self._cluster = cluster
        self._estate = Estate(caller, cluster)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries and polls included."""
        return self._caller.calls

    def run(self, machine: str, script: str, *, timeout: float) -> Result:
        """Send the script and wait for its end; see ``ports.shell.Shell.run``.

        Args:
            machine: id of a virtual machine, or our id of one in the scale set.
            script: POSIX shell.
            timeout: seconds.
        """
        body = {"commandId": COMMAND, "script": wrapped(script, timeout).splitlines()}
        try:
            answer = self._send(machine, body)
        except Conflict as error:
            raise _other(error, machine) from error
        return _result(answer, machine, timeout)

    def file_server(self) -> str:
        """Return the machine that serves the shared home, by its id."""
        found = self._caller.pages("compute", "virtual_machines.list", self._caller.group)
        ids = sorted(plain(one["id"]) for one in found if tags.is_of(one, self._cluster, tags.FILE_SERVER))
        if len(ids) > 1:
            names = ", ".join(name_of(one) for one in ids)
            raise Unexpected(f"several file servers: {names}", hint="one machine serves the shared home")
        if not ids:
            raise NotFound(f"cluster {self._cluster} has no file server", hint="has 'pulumi up' created the cluster?")
        return ids[0]

    def _send(self, machine: str, body: Json) -> Json:
        if machine.startswith("/"):
            group, name = group_of(machine), name_of(machine)
            view = self._caller.call("compute", "virtual_machines.instance_view", group, name)
            _must_be_commandable(machine, _power(view), heard=_is_heard(view))
            place: tuple[str, ...] = ("virtual_machines.begin_run_command", group, name)
        else:
            place = self._member(machine)
        found: Json = self._caller.finish("compute", *place, body)
        return found

    def _member(self, machine: str) -> tuple[str, ...]:
        """Look for a machine of the scale set under its own id: one that was reimaged meanwhile is another machine."""
        scale_set = self._estate.group()
        found = next((one for one in machines_of(self._caller, scale_set) if one.id == machine), None)
        if found is None:
            raise NotFound(f"there is no machine {machine} in the scale set")
        _must_be_commandable(machine, found.power, heard=found.has_agent)
        operation = "virtual_machine_scale_set_vms.begin_run_command"
        return operation, self._caller.group, str(scale_set["name"]), number_of(found.id)


def wrapped(script: str, timeout: float) -> str:
    """Return the script inside one that ends it in time, and prints its status at the end of its output."""
    return "\n".join(
        (
            "work=$(mktemp -d) || exit 1",
            f"cat >\"$work/script\" <<'{_OVER}'",
            script.rstrip("\n"),
            _OVER,
            f'timeout --kill-after=10 {shlex.quote(f"{timeout:g}")} sh "$work/script"',
            "code=$?",
            'rm -rf "$work"',
            f"printf '\\n{_MARK}%s\\n' \"$code\"",
        )
    )


def _must_be_commandable(machine: str, power: str, *, heard: bool) -> None:
    """Look first: a command to a machine without an agent is accepted, and then waits in vain."""
    if power == "running" and heard:
        return
    raise NotFound(
        f"machine {name_of(machine)} cannot be commanded: it is {power or 'in no state'}, and its agent is "
        f"{'heard' if heard else 'not heard'}",
        hint="check the agent (walinuxagent) on it and its way to Azure",
    )


def _power(view: Json) -> str:
    codes = [str(status.get("code", "")) for status in view.get("statuses") or ()]
    return next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")


def _is_heard(view: Json) -> bool:
    statuses = (view.get("vmAgent") or {}).get("statuses") or ()
    return any(status.get("displayStatus") == "Ready" for status in statuses)


def _other(error: Conflict, machine: str) -> NotFound | Unavailable:
    """Say what a refused command means: nobody hears it, or somebody else's runs just now."""
    if _SILENT in error.message or "not running" in error.message:
        return NotFound(f"machine {name_of(machine)} cannot be commanded: {error.message}")
    return Unavailable(f"machine {name_of(machine)} runs another command: {error.message}", after=5.0)


def _result(answer: Json, machine: str, timeout: float) -> Result:
    said = "\n".join(str(line.get("message") or "") for line in answer.get("value") or ())
    found = _ANSWER.search(said)
    if found is None:
        raise Unexpected(
            f"the command on {name_of(machine)} did not tell how it ended: {' '.join(said.split())[-300:]}"
        )
    code = int(found["code"])
    if code == TIMED_OUT:
        raise Unavailable(f"the command on {name_of(machine)} did not end in {timeout:g} s and was ended")
    return Result(code=code, output=found["output"], errors=found["errors"])
