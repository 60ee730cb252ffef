"""The daemon's eye: after every event it looks at the whole lab and checks the invariants."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from lab.bitbucket.fabric import Fabric
from lab.daemon.clouds import Cloud
from lab.invariants import Breach, Seen, SeenNode, Witness

IDLE = 1.0
"""Seconds after which it looks although nothing was heard."""


class Watch:
    """Looks and remembers.

    Args:
        cloud: the cloud.
        fabric: the cluster.
        cluster: value of the cluster tag.
        planned: nodes that the lab was built with.
        faults: names of the faults switched on.
        broken: told of each breach that begins.
    """

    def __init__(
        self,
        cloud: Cloud,
        fabric: Fabric,
        *,
        cluster: str,
        planned: int,
        faults: Callable[[], Sequence[str]],
        broken: Callable[[Breach], None],
    ) -> None:
        self.witness = Witness(planned)
        self._cloud = cloud
        self._fabric = fabric
        self._cluster = cluster
        self._faults = faults
        self._broken = broken
        self._news = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def open(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closing.set()
        self._news.set()
        self._thread.join()

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._news.wait(IDLE)
            self._news.clear()
            for breach in self.witness.look(self.look(), time.time(), self._faults()):
                self._broken(breach)

    def look(self) -> Seen:
        """Read the whole lab."""
        view = self._fabric.to_json()
        nodes = [SeenNode(node["id"], node["version"], node["state"]) for node in view["nodes"] if not node["crashed"]]
        cluster = view["cluster"]
        with self._cloud.lock:
            desired, serving = self._cloud.desired(self._cluster), self._cloud.serving()
        return Seen(
            desired=desired,
            nodes=nodes,
            serving=serving,
            upgrade_mode=bool(cluster["upgradeModeEnabled"]),
            original=cluster["originalVersion"],
            split=bool(view["split"]),
        )
