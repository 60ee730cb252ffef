"""How fast and how reliable a simulated estate is; all times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.bitbucket.records import Settings as BitbucketSettings


@dataclass(frozen=True, slots=True)
class SimSettings:
    """One simulated estate."""

    nodes: int = 3
    version: str = "7.9.0"
    launch: float = 15.0
    """From the decision to launch until the machine is in service."""
    terminate: float = 20.0
    """From the decision to terminate until the machine is gone."""
    deregistration: float = 30.0
    """Deregistration delay of the target groups."""
    check: float = 10.0
    """From a node's first good /status until its target is healthy."""
    target_groups: tuple[str, ...] = ("http", "ssh")
    bitbucket: BitbucketSettings = field(default_factory=BitbucketSettings)
