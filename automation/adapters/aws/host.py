"""Commands on machines through Systems Manager (``ports.cloud.Host``); no SSH, no open port."""

from __future__ import annotations

import hashlib
from typing import Any

from automation.adapters.aws.session import Caller
from automation.ports.errors import NotFound

DOCUMENT = "AWS-RunShellScript"
_DELIVERY_SECONDS = 60
"""How long Systems Manager tries to reach the agent; the least it takes is 30."""
_COMMENT_LENGTH = 100
"""Longest comment that SendCommand takes."""
_FAILED = {"Cancelled", "Failed", "TimedOut", "Cancelling"}


class AwsHost:
    """Implements ``ports.cloud.Host`` over SSM Run Command.

    The act's key travels in the command's comment: whoever comes later, this process or its successor, finds it there.
    """

    def __init__(self, caller: Caller, *, service: str = "bitbucket", timeout: float = 600.0) -> None:
        """Take the systemd unit's name, and the seconds after which SSM gives a stop up."""
        self._caller = caller
        self._service = service
        self._timeout = timeout

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def stop_bitbucket(self, instance: str, *, key: str) -> None:
        """Begin ``systemctl stop`` on the machine unless a command with ``key`` is on its way or done."""
        comment = comment_for(key)
        if self._was_sent(instance, comment):
            return
        self._must_be_connected(instance)
        self._caller.once(  # stopping twice does no harm, but one act is one command in the account's history
            "ssm",
            "send_command",
            InstanceIds=[instance],
            DocumentName=DOCUMENT,
            Comment=comment,
            TimeoutSeconds=_DELIVERY_SECONDS,
            Parameters={
                "commands": [f"systemctl stop {self._service}"],
                "executionTimeout": [str(int(self._timeout))],
            },
        )

    def _was_sent(self, instance: str, comment: str) -> bool:
        try:
            sent = self._caller.pages("ssm", "list_commands", "Commands", InstanceId=instance)
        except NotFound:
            return False
        return any(one.get("Comment") == comment and one.get("Status") not in _FAILED for one in sent)

    def _must_be_connected(self, instance: str) -> None:
        """Ask for the agent first: a command to a lost agent is accepted, and then waits in vain."""
        filters = [{"Key": "InstanceIds", "Values": [instance]}]
        known: list[dict[str, Any]] = self._caller.pages(
            "ssm", "describe_instance_information", "InstanceInformationList", Filters=filters
        )
        if not any(one.get("PingStatus") == "Online" for one in known):
            raise NotFound(
                f"machine {instance} cannot be commanded: its Systems Manager agent is not connected",
                hint="check the instance role (AmazonSSMManagedInstanceCore) and the way to the SSM endpoints",
            )


def comment_for(key: str) -> str:
    """Return the command's comment for an act: the key itself where it fits, else its digest."""
    comment = f"bitbucket-dc {key}"
    if len(comment) <= _COMMENT_LENGTH:
        return comment
    return f"bitbucket-dc sha256:{hashlib.sha256(key.encode()).hexdigest()}"
