"""Scripts on machines through Systems Manager, with their answers (``ports.shell.Shell``)."""

from __future__ import annotations

import math

from automation.adapters.aws import tags
from automation.adapters.aws.host import DOCUMENT
from automation.adapters.aws.session import Caller
from automation.ports.clock import Clock
from automation.ports.errors import Conflict, NotFound, Unavailable, Unexpected
from automation.ports.shell import Result

POLL = 1.0
"""Seconds between two looks at a command."""
_DELIVERY = 60
_OVER = {"Success", "Failed", "Cancelled", "TimedOut"}


class AwsShell:
    """Implements ``ports.shell.Shell`` over SSM Run Command."""

    def __init__(self, caller: Caller, cluster: str, clock: Clock) -> None:
        self._caller = caller
        self._cluster = cluster
        self._clock = clock

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def run(self, machine: str, script: str, *, timeout: float) -> Result:
        """Send the script and wait for its end; see ``ports.shell.Shell.run``."""
        self._must_be_connected(machine)
        sent = self._caller.once(
            "ssm",
            "send_command",
            InstanceIds=[machine],
            DocumentName=DOCUMENT,
            Comment="bitbucket-dc",
            TimeoutSeconds=_DELIVERY,
            Parameters={"commands": script.splitlines(), "executionTimeout": [str(max(1, math.ceil(timeout)))]},
        )
        return self._wait(str(sent["Command"]["CommandId"]), machine, timeout)

    def file_server(self) -> str:
        """Return the running machine that serves the shared home."""
        filters = [
            {"Name": f"tag:{tags.CLUSTER}", "Values": [self._cluster]},
            {"Name": f"tag:{tags.ROLE}", "Values": ["file-server"]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
        found = self._caller.pages("ec2", "describe_instances", "Reservations", Filters=filters)
        ids = sorted(str(one["InstanceId"]) for reservation in found for one in reservation["Instances"])
        if len(ids) > 1:
            raise Unexpected(f"several file servers: {', '.join(ids)}", hint="one machine serves the shared home")
        if not ids:
            raise NotFound(f"cluster {self._cluster} has no file server", hint="has 'pulumi up' created the cluster?")
        return ids[0]

    def _wait(self, command: str, machine: str, timeout: float) -> Result:
        deadline = self._clock.now() + timeout + _DELIVERY
        while self._clock.now() < deadline:
            answer = self._invocation(command, machine)
            status = answer.get("Status")
            if status in _OVER:
                return _result(answer, machine)
            self._clock.sleep(POLL)
        raise Unavailable(f"the command on {machine} has not ended after {timeout:g} s")

    def _invocation(self, command: str, machine: str) -> dict[str, object]:
        try:
            return self._caller.call("ssm", "get_command_invocation", CommandId=command, InstanceId=machine)
        except (NotFound, Conflict, Unexpected) as error:
            if "InvocationDoesNotExist" not in str(error):
                raise
            return {}  # just sent: it appears within a moment

    def _must_be_connected(self, machine: str) -> None:
        filters = [{"Key": "InstanceIds", "Values": [machine]}]
        known = self._caller.pages("ssm", "describe_instance_information", "InstanceInformationList", Filters=filters)
        if not any(one.get("PingStatus") == "Online" for one in known):
            raise NotFound(
                f"machine {machine} cannot be commanded: its Systems Manager agent is not connected",
                hint="check the instance role (AmazonSSMManagedInstanceCore) and the way to the SSM endpoints",
            )


def _result(answer: dict[str, object], machine: str) -> Result:
    if answer.get("Status") == "TimedOut":
        raise Unavailable(f"the command on {machine} was given up: {answer.get('StatusDetails')}")
    code = answer.get("ResponseCode")
    return Result(
        code=code if isinstance(code, int) else -1,
        output=str(answer.get("StandardOutputContent") or ""),
        errors=str(answer.get("StandardErrorContent") or ""),
    )
