"""Unlock tokens out of the nodes' own logs (``ports.maintenance.NodeLogs``), read through Run Command."""

from __future__ import annotations

from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.machines import machines_of
from automation.adapters.azure.session import Caller
from automation.adapters.host.node_logs import LogsByShell
from automation.adapters.logs import Redactor
from automation.ports.shell import Shell


class AzureNodeLogs(LogsByShell):
    """Implements ``ports.maintenance.NodeLogs``: every machine that runs is asked, one after the other."""

    def __init__(self, caller: Caller, cluster: str, shell: Shell, home: str, redactor: Redactor) -> None:
        super().__init__(shell, home, redactor)
        self._estate = Estate(caller, cluster)
        self._caller = caller

    @property
    def calls(self) -> int:
        """Requests sent so far, retries and polls included."""
        return self._caller.calls

    def running(self) -> list[str]:
        """Return the ids of the machines that run."""
        return [one.id for one in machines_of(self._caller, self._estate.group()) if one.runs]
