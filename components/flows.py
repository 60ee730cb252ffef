"""Who talks to whom inside an estate: ports, and the one table of flows. Firewalls of every cloud are made from it."""

from collections.abc import Sequence
from dataclasses import dataclass

HTTP, SSH, HAZELCAST, POSTGRESQL, NFS, PORTMAPPER = 7990, 7999, 5701, 5432, 2049, 111
NFS_HELPERS = (32765, 32768)
"""statd, its outgoing port, mountd and lockd, as the start-up scripts fix them."""
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class Flow:
    """Connections that one group may open to another."""

    what: str
    source: str
    target: str
    low: int
    high: int
    protocol: str = "tcp"


FLOWS: Sequence[Flow] = (
    Flow("pages", "balancer", "nodes", HTTP, HTTP),
    Flow("git-ssh", "ssh-balancer", "nodes", SSH, SSH),
    # Port 7999 open does not mean that a node serves: the SSH targets are judged by /status too.
    Flow("ssh-health", "ssh-balancer", "nodes", HTTP, HTTP),
    Flow("hazelcast", "nodes", "nodes", HAZELCAST, HAZELCAST),
    Flow("database", "nodes", "database", POSTGRESQL, POSTGRESQL),
    Flow("nfs", "nodes", "file-server", NFS, NFS),
    Flow("portmapper", "nodes", "file-server", PORTMAPPER, PORTMAPPER),
    Flow("portmapper-udp", "nodes", "file-server", PORTMAPPER, PORTMAPPER, "udp"),
    Flow("nfs-helpers", "nodes", "file-server", *NFS_HELPERS),
    Flow("nfs-helpers-udp", "nodes", "file-server", *NFS_HELPERS, "udp"),
    # NFSv3 locks: the server calls back when a lock is granted and when it has restarted. Without these, Bitbucket
    # stops with "No locks available".
    Flow("locks-portmapper", "file-server", "nodes", PORTMAPPER, PORTMAPPER),
    Flow("locks-portmapper-udp", "file-server", "nodes", PORTMAPPER, PORTMAPPER, "udp"),
    Flow("locks", "file-server", "nodes", *NFS_HELPERS),
    Flow("locks-udp", "file-server", "nodes", *NFS_HELPERS, "udp"),
)
GROUPS: Sequence[str] = ("balancer", "ssh-balancer", "nodes", "database", "file-server")
