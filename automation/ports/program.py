"""The program that declares the estate, as a restore and a staging copy use it."""

from __future__ import annotations

from typing import Protocol

from automation.core.restores.generations import DataState, Generation


class Program(Protocol):
    """Data generations of one stack. Every method may raise Conflict (another update) and BbdcError (it failed)."""

    def data(self) -> DataState:
        """Return the generations that the stack declares."""
        ...

    def version(self) -> str:
        """Return the Bitbucket version that new nodes install."""
        ...

    def declare(self, generation: Generation) -> None:
        """Declare a further generation and bring it about, beside what is there. One that is declared is success."""
        ...

    def activate(self, name: str) -> None:
        """Let the estate use a declared generation: its disks attached, new nodes pointed at its database."""
        ...
