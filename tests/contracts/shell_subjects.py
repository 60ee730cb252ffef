"""What the contract tests of shells and of nodes' logs have in their hands."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from automation.ports.maintenance import NodeLogs
from automation.ports.shell import Shell

HOME = "/var/atlassian/application-data/bitbucket"
"""Bitbucket's home on the nodes."""


class ShellHands(Protocol):
    """What a test does to the machines from outside."""

    def nodes(self) -> tuple[str, ...]:
        """Return our ids of the nodes; there are two."""
        ...

    def unit(self, node: str) -> str:
        """Return the state of Bitbucket's unit on a node: active or inactive."""
        ...

    def gone(self) -> str:
        """Return the id of a machine that is not there any more."""
        ...

    def deaf(self, *machines: str) -> AbstractContextManager[None]:
        """Cut machines off from commands for a while."""
        ...

    def off(self) -> AbstractContextManager[str]:
        """Let a machine be switched off for a while; gives its id."""
        ...


class CloudHands(ShellHands, Protocol):
    """What more can be done where scripts are really run."""

    def lost_answer(self) -> AbstractContextManager[list[str]]:
        """Let the answer to the next command be lost; gives the commands that were sent meanwhile."""
        ...

    def further_server(self) -> AbstractContextManager[str]:
        """Let the cluster have two machines that call themselves file server for a while; gives the second one's id."""
        ...

    def elsewhere(self) -> Shell:
        """Return the shell of another cluster, which has no file server."""
        ...

    def log(self, node: str, text: str) -> None:
        """Let Bitbucket on a node have written ``text`` into its log, and nothing else."""
        ...


@dataclass(frozen=True)
class ShellSubject:
    """One implementation over two nodes and a file server."""

    shell: Shell
    hands: ShellHands


@dataclass(frozen=True)
class CloudSubject(ShellSubject):
    """One implementation whose machines run every script."""

    hands: CloudHands
    logs: NodeLogs
    hidden: list[str]
    """Grows by every secret that ``logs`` has told the redactor of."""
