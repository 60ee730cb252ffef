"""The Bitbucket clusters of a lab: the estate's own, and one for every further estate that stands in the same cloud.

Nodes find each other by the cluster's name, as Hazelcast finds them by tags: a staging copy's never join the source's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lab.bitbucket.fabric import Fabric

Make = Callable[[str, str], Fabric]
"""Makes a further cluster, given the URLs that it is reached at: HTTP, SSH."""


class Clusters:
    """Implements ``lab.machine.Homes``.

    Args:
        name: the estate's own cluster.
        own: its shared memory, which serves already.
        make: makes another one.
    """

    def __init__(self, name: str, own: Fabric, make: Make) -> None:
        self._name, self._own, self._make = name, own, make
        self._further: dict[str, Fabric] = {}

    def url(self, cluster: str, base_url: str, ssh_base_url: str) -> str:
        """Return where the shared memory of a cluster is; a node that names none belongs to the estate's own."""
        if cluster in {"", self._name}:
            return self._own.serve()
        if cluster not in self._further:
            self._further[cluster] = self._make(base_url, ssh_base_url)
        return self._further[cluster].serve()

    def kill(self, node: str) -> None:
        """Note that a node's process was killed, whichever cluster it was in."""
        for fabric in self._all():
            fabric.kill(node)

    def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes of all clusters, as their clusters see them."""
        return [node for fabric in self._all() for node in fabric.to_json()["nodes"]]

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let no cluster take a node for silent inside."""
        with ExitStack() as stack:
            for fabric in self._all():
                stack.enter_context(fabric.standing_still())
            yield

    def close(self) -> None:
        """Stop serving further clusters; the own one is whoever's made it."""
        for fabric in self._further.values():
            fabric.close()

    def _all(self) -> list[Fabric]:
        return [self._own, *self._further.values()]
