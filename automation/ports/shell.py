"""Commands on machines of the estate, with their answers; no SSH.

AWS: Systems Manager Run Command. Azure: run command. Every method may raise Unavailable, Unreachable,
NotAuthenticated, Forbidden or Unexpected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    code: int
    output: str
    """Standard output; clouds cut it: AWS gives the first 24,000 characters, Azure the last 4096 bytes."""
    errors: str = ""


class Shell(Protocol):
    """Runs scripts on machines."""

    def run(self, machine: str, script: str, *, timeout: float) -> Result:
        """Run a script as root and wait for its end.

        Raises:
            NotFound: the machine cannot be commanded (gone, or its agent is not connected).
            Unavailable: it did not end in ``timeout`` seconds.
        """
        ...

    def file_server(self) -> str:
        """Return the machine that serves the shared home. Raises NotFound."""
        ...
