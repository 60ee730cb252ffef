"""Run Command: RunShellScript really runs, with /bin/sh in the machine's directory.

The machine's own ``bin`` comes first on PATH: its ``systemctl`` controls Bitbucket on that machine. As in the real
service the answer says "succeeded" whatever the script's exit status was: who needs it has to print it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.azure import errors
from lab.azure.errors import ArmError
from lab.azure.instances import RUNNING, Instance
from lab.azure.kinds import Act
from lab.azure.messages import Json
from lab.azure.operations import Steps

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

SCRIPT = "RunShellScript"
OUTPUT = 4096
"""Bytes of output that come back: the last ones."""
PATIENCE = 5400.0
"""Seconds after which a script is given up."""
UNHEARD = 60.0
"""Seconds until Azure gives an agent up that it does not hear of."""


@dataclass(slots=True, eq=False)
class Script:
    """A script under way on one machine."""

    process: subprocess.Popen[bytes]
    place: Path

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it with its children."""
        if self.over:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def output(self, name: str) -> str:
        """Return the end of ``stdout`` or ``stderr``."""
        content = (self.place / name).read_bytes()
        return content[-OUTPUT:].decode("utf-8", "replace")


@dataclass(slots=True)
class Commands:
    """Every script that runs."""

    world: AzureWorld
    going: list[Script] = field(default_factory=list)

    def run(self, act: Act) -> Steps:
        """Begin to run a script.

        Raises:
            ArmError: it is no script, the machine does not run, or another script runs on it.
        """
        command = str(act.body.get("commandId", ""))
        instance: Instance = act.resource.own
        if command != SCRIPT:
            raise errors.invalid(f"The entity {command} was not found.", "NotFound")
        if instance.power != RUNNING:
            raise errors.conflict("Cannot modify extensions in the VM when the VM is not running.")
        if instance.script:
            message = "Run command extension execution is in progress. Please wait for completion before invoking it."
            raise errors.conflict(message, "Conflict")
        return self._steps(instance, act.body)

    def pids(self) -> list[int]:
        """Return the process of every script that runs."""
        return [script.process.pid for script in list(self.going) if not script.over]

    def close(self) -> None:
        """End every script."""
        for script in self.going:
            script.kill()

    def _steps(self, instance: Instance, body: Json) -> Steps:
        instance.script = True
        try:
            if not self._heard(instance):
                yield self.world.after(UNHEARD)
                raise _silent(instance)
            lines = "\n".join(str(line) for line in body.get("script") or [])
            values = [str(one.get("value", "")) for one in body.get("parameters") or []]
            self.world.emit("command", instance=instance.machine)
            script = _start(self.world.machines.directory(instance.machine), lines, values)
            self.going.append(script)
            patience = self.world.after(PATIENCE)
            yield lambda: script.over or patience() or not self._heard(instance)
            return self._result(script, instance)
        finally:
            instance.script = False

    def _heard(self, instance: Instance) -> bool:
        up = instance.power == RUNNING and self.world.machines.running(instance.machine)
        return up and not self.world.faults.agent_lost(instance.machine)

    def _result(self, script: Script, instance: Instance) -> Json:
        self.going.remove(script)
        if not script.over:
            script.kill()
            raise _silent(instance)
        message = f"Enable succeeded: \n[stdout]\n{script.output('stdout')}\n[stderr]\n{script.output('stderr')}"
        line = {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}
        return {"value": [line | {"message": message}]}


def _silent(instance: Instance) -> ArmError:
    message = (
        f"VM '{instance.resource.name}' has not reported status for VM agent or extensions. Verify that the OS is up "
        "and healthy, the VM has a running VM agent, and that it can establish outbound connections to Azure storage."
    )
    return ArmError(409, "VMAgentStatusCommunicationError", message)


def _start(directory: Path, script: str, parameters: list[str]) -> Script:
    """Run a script as the machine's agent does."""
    place = directory / "run-command" / str(uuid.uuid4())
    place.mkdir(parents=True)
    (place / "script.sh").write_text(script + "\n")
    environment = {
        "PATH": f"{directory / 'bin'}{os.pathsep}{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(directory),
        "LAB_MACHINE": str(directory),
        "BBDC_ROOT": str(directory / "root"),
        "LANG": "C.UTF-8",
    }
    with (place / "stdout").open("wb") as out, (place / "stderr").open("wb") as err:
        process = subprocess.Popen(
            ["/bin/sh", str(place / "script.sh"), *parameters], cwd=directory, env=environment,
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
    return Script(process, place)
