"""What the two dynamic resources need of the rest: small, so that they can be tried without an estate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from automation.core.preflight import Preflight
from automation.core.roll import Outcome


class Roller(Protocol):
    """The rolls of one cluster, driven from this process."""

    def preflight(self, target: str) -> Preflight:
        """Judge a roll to ``target``; changes nothing. Raises BbdcError when the estate cannot be read."""
        ...

    def unfinished(self) -> str | None:
        """Return the target of the cluster's unfinished run, None when there is none."""
        ...

    def open(self, target: str) -> str:
        """Begin or continue a run, wait until upgrade mode is on, and return the run's id.

        Raises:
            BbdcError: refused by name, another process drives the cluster, or the run paused before it opened.
        """
        ...

    def finish(self, run: str, target: str) -> Outcome:
        """Wait until ``run`` has ended or paused, adopting it, or beginning anew, where no process drives it."""
        ...

    def admit(self) -> None:
        """Put the nodes of a first deployment into the balancer, where the cloud does not do that by itself."""
        ...

    def close(self) -> None:
        """Stop driving; an unfinished run stays for the next process."""
        ...


Rollers = Callable[[Mapping[str, Any]], Roller]
"""Makes, or finds again in this process, the roller for the plain settings of a resource."""
