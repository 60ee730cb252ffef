"""Commands on machines through Run Command (``ports.cloud.Host``); no SSH, no open port."""

from __future__ import annotations

import hashlib

from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.machines import Machine, machines_of, number_of
from automation.adapters.azure.session import Caller
from automation.core.cluster import InstanceState
from automation.ports.errors import NotFound, Unexpected

SCRIPT = """\
acts="${BBDC_ROOT:-}/var/lib/bitbucket-dc/acts"
mkdir -p "$acts" || exit 1
if test -e "$acts/$1"; then echo bbdc-act: done before; exit 0; fi
touch "$acts/$1" || exit 1
systemctl stop --no-block "$2" || { rm -f "$acts/$1"; exit 1; }
echo bbdc-act: begun
"""
"""Begins a stop, and returns while it goes on. The file that says so lies on the machine: a reimaged one has none."""
_SAID = "bbdc-act:"


class AzureHost:
    """Implements ``ports.cloud.Host`` over Run Command.

    Azure keeps no history of commands that could be searched, so the machine remembers the act's key: the script makes
    a file of that name first, and does nothing where it is there.
    """

    def __init__(self, caller: Caller, cluster: str, *, service: str = "bitbucket") -> None:
        """Take the cluster and the systemd unit's name."""
        self._caller = caller
        self._estate = Estate(caller, cluster)
        self._service = service

    @property
    def calls(self) -> int:
        """Requests sent so far, retries and polls included."""
        return self._caller.calls

    def stop_bitbucket(self, instance: str, *, key: str) -> None:
        """Begin ``systemctl stop`` on the machine unless an act with ``key`` has begun it before.

        Raises:
            NotFound: there is no such machine, it does not run, or its agent is not heard.
            Conflict: another command runs on it.
            Unexpected: the script did not get so far.
        """
        group = self._estate.group()
        machine = self._commandable(instance, machines_of(self._caller, group))
        body = {
            "commandId": "RunShellScript",
            "script": SCRIPT.splitlines(),
            "parameters": [{"name": "act", "value": act_of(key)}, {"name": "unit", "value": self._service}],
        }
        operation = "virtual_machine_scale_set_vms.begin_run_command"
        number = number_of(machine.id)
        answer = self._caller.finish("compute", operation, self._caller.group, group["name"], number, body)
        said = " ".join(str(line.get("message", "")) for line in answer.get("value") or ())
        if _SAID not in said:
            raise Unexpected(f"the command to stop Bitbucket on {instance} did not run: {' '.join(said.split())[:300]}")

    def _commandable(self, instance: str, machines: tuple[Machine, ...]) -> Machine:
        """Look first: a command to a machine without an agent is accepted, and then waits in vain."""
        found = next((one for one in machines if one.id == instance), None)
        if found is None or found.instance.state is InstanceState.TERMINATING:
            raise NotFound(f"there is no machine {instance} in the scale set")
        if not found.runs or not found.has_agent:
            raise NotFound(
                f"machine {instance} cannot be commanded: it is {found.power}, and its agent is not heard",
                hint="check the agent (walinuxagent) on it and its way to Azure",
            )
        return found


def act_of(key: str) -> str:
    """Return the name of the file that stands for an act."""
    return hashlib.sha256(key.encode()).hexdigest()
