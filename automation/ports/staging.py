"""What building a staging copy needs: stacks of the program, and a Bitbucket that shall be quiet.

Every method may raise BbdcError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from automation.core.restores.staging import Config
from automation.ports.clock import Clock
from automation.ports.vaults import Manifests


class Stacks(Protocol):
    """The stacks of one program."""

    def project(self) -> str:
        """Return the project's name."""
        ...

    def source(self) -> Config:
        """Return the source stack's config, secrets readable."""
        ...

    def database_password(self) -> str:
        """Return the password of the source's database; empty when the program has not made it."""
        ...

    def config(self, stack: str) -> Config | None:
        """Return another stack's config; None when there is no such stack."""
        ...

    def write(self, stack: str, config: Config) -> None:
        """Make the stack unless it is there, and write its config; its secrets are encrypted for it."""
        ...

    def up(self, stack: str) -> str:
        """Bring the stack about; returns the URL of its Bitbucket."""
        ...


class Outgoing(Protocol):
    """What leaves one Bitbucket by itself. Every method may be repeated."""

    def status(self) -> str | None:
        """``state`` of /status; None when nobody answers."""
        ...

    def mail_off(self) -> bool:
        """Remove the mail server; False when there was none."""
        ...

    def webhooks_off(self) -> int:
        """Make every webhook of every project and repository inactive; returns how many were active."""
        ...

    def mirrors(self) -> tuple[str, ...]:
        """Return the names of the mirrors that it knows."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that building a copy needs."""

    clock: Clock
    stacks: Stacks
    manifests: Manifests
    outgoing: Callable[[str], Outgoing]
    """Gives what leaves the Bitbucket at a URL."""
