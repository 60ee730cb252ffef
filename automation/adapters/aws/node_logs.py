"""Unlock tokens out of the nodes' own logs (``ports.maintenance.NodeLogs``), read through Systems Manager.

The last way back into a cluster whose unlock token was lost with its answer. The token then stands in the output of a
command, which Systems Manager keeps in the account for 30 days: it is worth nothing once the cluster is unlocked.
"""

from __future__ import annotations

from automation.adapters.aws.discovery import Estate
from automation.adapters.aws.session import Caller
from automation.adapters.host.unlock_lines import Told, read, script
from automation.adapters.logs import Redactor
from automation.ports.errors import NotFound
from automation.ports.shell import Shell

_TIMEOUT = 60.0


class AwsNodeLogs:
    """Implements ``ports.maintenance.NodeLogs``: every node in service is asked, one after the other."""

    def __init__(self, caller: Caller, cluster: str, shell: Shell, home: str, redactor: Redactor) -> None:
        self._estate = Estate(caller, cluster)
        self._caller = caller
        self._shell = shell
        self._home = home
        self._redactor = redactor

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def unlock_tokens(self) -> tuple[str, ...]:
        """Return the tokens, newest first, each once; see the port."""
        nodes = [one["InstanceId"] for one in self._estate.group()["Instances"] if _serves(one)]
        told = sorted({line for node in nodes for line in self._ask(str(node))}, reverse=True)
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


def _serves(instance: dict[str, object]) -> bool:
    return instance.get("LifecycleState") == "InService"
