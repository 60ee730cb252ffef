"""Unlock tokens out of the nodes' own logs (``ports.maintenance.NodeLogs``), read through Systems Manager.

A token then stands in the output of a command, which Systems Manager keeps in the account for 30 days: it is worth
nothing once the cluster is unlocked.
"""

from __future__ import annotations

from automation.adapters.aws.discovery import Estate
from automation.adapters.aws.session import Caller
from automation.adapters.host.node_logs import LogsByShell
from automation.adapters.logs import Redactor
from automation.ports.shell import Shell


class AwsNodeLogs(LogsByShell):
    """Implements ``ports.maintenance.NodeLogs``: every node in service is asked, one after the other."""

    def __init__(self, caller: Caller, cluster: str, shell: Shell, home: str, redactor: Redactor) -> None:
        super().__init__(shell, home, redactor)
        self._estate = Estate(caller, cluster)
        self._caller = caller

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def running(self) -> list[str]:
        """Return the ids of the instances in service."""
        lines = self._estate.group()["Instances"]
        return [str(line["InstanceId"]) for line in lines if line.get("LifecycleState") == "InService"]
