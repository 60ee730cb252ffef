"""What clouds do differently, as one value that the rules ask; no rule asks which cloud it is.

Every difference that reaches the core stands here; docs/explanation/differences-between-clouds.md tells them all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one cloud does by itself; the defaults are those of AWS."""

    registers_by_itself: bool = True
    """A new machine gets into the balancer without anybody's doing. Where it does not, a roll puts it there once it
    has joined the cluster, and not before."""
    keeps_capacity: bool = True
    """A machine that somebody deletes is made again. Where deleting one lowers the capacity, a restore, which knows how
    many nodes there were, raises it again."""
    database_restores_by_time: bool = False
    """A database can be brought back to a moment only: a snapshot of it cannot be restored by its name."""


AWS = Capabilities()
"""Auto-scaling group, target groups, RDS."""
AZURE = Capabilities(registers_by_itself=False, keeps_capacity=False, database_restores_by_time=True)
"""Scale set with machines renewed in place, backend pools of addresses, PostgreSQL flexible server."""
_BY_NAME = {"aws": AWS, "azure": AZURE}


def of(cloud: str) -> Capabilities:
    """Return a cloud's capabilities by its name in the settings.

    Raises:
        KeyError: there is no such cloud.
    """
    return _BY_NAME[cloud]
