"""What a run tells and hears: the names under which it does, and the shapes. Without DBOS: readers need no more."""

from __future__ import annotations

from dataclasses import dataclass

from automation.core.roll import Memory, Outcome

CONTROL = "control"
"""Topic of an operator's messages."""
STORY = "story"
"""Stream of the run's records."""
STANDING = "standing"
"""Event that holds the run's ``Standing``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run has come, in the few words that others wait for."""

    opened: bool = False
    outcome: Outcome | None = None
    pauses: int = 0
    """How often the run has paused so far: tells a new pause from the one that was just resumed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a workflow leaves: its last memory, and how it ended; no outcome when another plan took over."""

    memory: Memory
    outcome: Outcome | None
