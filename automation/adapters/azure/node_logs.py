"""Unlock tokens out of the nodes' own logs (``ports.maintenance.NodeLogs``), read through Run Command.

The last way back into a cluster whose unlock token was lost with its answer.
"""

from __future__ import annotations

from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.machines import machines_of
from automation.adapters.azure.session import Caller
from automation.adapters.host.unlock_lines import Told, read, script
from automation.adapters.logs import Redactor
from automation.ports.errors import NotFound
from automation.ports.shell import Shell

_TIMEOUT = 60.0


class AzureNodeLogs:
    """Implements ``ports.maintenance.NodeLogs``: every machine that runs is asked, one after the other."""

    def __init__(self, caller: Caller, cluster: str, shell: Shell, home: str, redactor: Redactor) -> None:
        self._estate = Estate(caller, cluster)
        self._caller = caller
        self._shell = shell
        self._home = home
        self._redactor = redactor

    @property
    def calls(self) -> int:
        """Requests sent so far, retries and polls included."""
        return self._caller.calls

    def unlock_tokens(self) -> tuple[str, ...]:
        """Return the tokens, newest first, each once; see the port."""
        machines = machines_of(self._caller, self._estate.group())
        told = sorted({line for one in machines if one.runs for line in self._ask(one.id)}, reverse=True)
        return tuple(dict.fromkeys(one.token for one in told))

    def _ask(self, node: str) -> tuple[Told, ...]:
        try:
            output = self._shell.run(node, script(self._home), timeout=_TIMEOUT).output
        except NotFound:  # gone meanwhile, or without an agent: the others have heard of the lock as well
            return ()
        found = read(output)
        for one in found:
            self._redactor.add(one.token)
        return found
