"""Unlock tokens out of the nodes' own logs (``ports.maintenance.NodeLogs``), read by a script on each node.

The last way back into a cluster whose unlock token was lost with its answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from automation.adapters.host.unlock_lines import Told, read, script
from automation.adapters.logs import Redactor
from automation.ports.errors import NotFound, Unavailable
from automation.ports.shell import Shell

_TIMEOUT = 60.0


class LogsByShell(ABC):
    """Implements ``ports.maintenance.NodeLogs``: every node that runs is asked, one after the other.

    Args:
        shell: runs the script.
        home: Bitbucket's home on the nodes.
        redactor: learns every token that is found.
    """

    def __init__(self, shell: Shell, home: str, redactor: Redactor) -> None:
        self._shell, self._home, self._redactor = shell, home, redactor

    @abstractmethod
    def running(self) -> Iterable[str]:
        """Return the ids of the nodes that run."""

    def unlock_tokens(self) -> tuple[str, ...]:
        """Return the tokens, newest first, each once; see the port."""
        silent: list[Unavailable] = []
        told = sorted({line for node in self.running() for line in self._ask(node, silent)}, reverse=True)
        if silent and not told:
            raise silent[0]
        return tuple(dict.fromkeys(one.token for one in told))

    def _ask(self, node: str, silent: list[Unavailable]) -> tuple[Told, ...]:
        """Ask one node; one that does not answer may know what the others do not, and is noted in ``silent``."""
        try:
            output = self._shell.run(node, script(self._home), timeout=_TIMEOUT).output
        except NotFound:  # gone meanwhile, or without an agent: the others have heard of the lock as well
            return ()
        except Unavailable as error:
            silent.append(error)
            return ()
        found = read(output)
        for one in found:
            self._redactor.add(one.token)
        return found
