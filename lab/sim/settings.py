"""How fast and how reliable a simulated estate is; all times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from automation.core.capabilities import AWS, Capabilities
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
    capabilities: Capabilities = AWS
    """What the cloud does by itself. One that puts no machine into the balancer renews machines in their places, has
    pools of addresses, and a gateway whose updates take their time, as Azure does."""
    model: float = 5.0
    """Renewed in place: from the call until the model is applied to one machine."""
    reimage: float = 40.0
    """Renewed in place: from the call until the disk of the operating system is another one."""
    gateway: float = 60.0
    """From the call until the gateway has taken an update over."""
    repositories: int = 6
    """Repositories that users push to."""
    bitbucket: BitbucketSettings = field(default_factory=BitbucketSettings)


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """What the estate's data lies on, and how its snapshots come to be; all times in seconds."""

    home_volumes: int = 2
    """Volumes on the file server."""
    mesh_volumes: int = 0
    """Mesh nodes, each with a volume of its own."""
    pushes: float = 2.0
    """Pushes a second while nobody is locked out."""
    disk_completes: float = 60.0
    database_begins: float = 0.0
    """From the call until the instant that a database snapshot holds is fixed; nobody can know it earlier."""
    database_completes: float = 40.0
    listing_lag: float = 0.0
    """From a snapshot's beginning until listings show it."""
    log_lag: float | None = None
    """How far the database's point-in-time log lags behind; None where it is off."""
    by_time: bool = False
    """The database is restored to a moment only, never from a snapshot, as Azure's flexible servers are: its member is
    the next whole second by the cloud's clock, and complete once the log holds it."""
    restore_points: bool = False
    """A disk's snapshot is named after its set, so that a second one is the first; and several disks of one machine get
    one restore point, which fails, is labelled and goes as a whole, as on Azure."""
    clock_offset: float = 0.0
    """The cloud's clock minus ours."""
    key: str = "key/estate"
    """Key that everything is encrypted with; empty for none."""
