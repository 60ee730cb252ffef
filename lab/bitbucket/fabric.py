"""The cluster in real time: what Hazelcast and the database are in reality, for node processes on this machine.

`Fabric` wraps the pure model with a lock and the wall clock. The lab's daemon uses its methods directly; node processes
use its small HTTP API on loopback with a bearer token (`lab.bitbucket.link`). A node whose heartbeats stop is taken for
crashed: its peers see it silent, then OFFLINE or not at all.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lab.bitbucket import consistency
from lab.bitbucket.calls import Asked, as_json, carry_out
from lab.bitbucket.fabric_http import FabricServer
from lab.bitbucket.faults import CATALOGUE
from lab.bitbucket.model import Cluster
from lab.bitbucket.records import Busy, Fault, Json, NodeSpec, Settings
from lab.bitbucket.surroundings import Surroundings

LAB_SETTINGS = Settings(
    boot_seconds=4.0,
    refusal_seconds=4.0,
    drain_seconds=30.0,
    terminate_seconds=1.0,
    silent_seconds=4.0,
    answer_seconds=1.0,
    tasks_seconds=2.0,
    collision_window=1.0,
    collision_chance=0.5,
    lock_check_seconds=2.0,
)
"""A cluster whose minutes are seconds."""


class Fabric:
    """One cluster, shared by all its node processes; safe to use from any thread."""

    def __init__(
        self,
        settings: Settings = LAB_SETTINGS,
        *,
        token: str,
        seed: int = 0,
        heartbeat_timeout: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make an empty cluster.

        Args:
            settings: how it behaves.
            token: bearer token of the HTTP API, at least 16 characters; it belongs into a file of mode 0600.
            seed: seed of whatever is left to chance.
            heartbeat_timeout: seconds without a heartbeat after which a node counts as crashed.
            clock: seconds since the epoch.
        """
        self._guard = threading.RLock()
        self._clock = clock
        self._timeout = heartbeat_timeout
        self._heard: dict[str, float] = {}
        self._still = 0
        self._events: deque[Json] = deque(maxlen=20_000)
        self._told = 0
        self._token = token
        self._server: FabricServer | None = None
        self.cluster = Cluster(settings, seed)
        self.cluster.listener = self._note
        self._around = Surroundings(self.cluster)

    # -- for node processes ---------------------------------------------------------------------------------------

    def boot(self, spec: NodeSpec) -> Json:
        """Start a node; return its id in the API and the pace of this cluster.

        Raises:
            WorldRefused: such a node cannot exist.
        """
        with self._guard:
            now = self._now()
            node = self.cluster.boot(spec, now)
            self._heard[spec.id] = now
            settings = self.cluster.settings
            pace = {"terminate_seconds": settings.terminate_seconds, "drain_seconds": settings.drain_seconds}
            return {"uuid": node.uuid, "display_name": settings.display_name, **pace}

    def heartbeat(self, node_id: str, *, tasks: int, users: int, busy: Busy | None = None) -> Json:
        """Take a sign of life; return what the node is, shows and has to act out.

        ``busy`` is what a backup's drain waits for; a node that never tells is never waited for.

        ``known`` is False for a node that the others have dropped: it has to start again.
        """
        with self._guard:
            now = self._now(but=node_id)
            if not self.cluster.revive(node_id, now):
                return {"known": False}
            self._heard[node_id] = now
            self.cluster.report(node_id, tasks=tasks, users=users, busy=busy)
            return self._condition(node_id, now)

    def stop(self, node_id: str, *, drain: float, terminate: float) -> bool:
        """Note that a node has begun to stop at its own pace; the seconds are the longest it may take."""
        with self._guard:
            return self.cluster.stop(node_id, self._now(), drain=drain, terminate=terminate)

    def drained(self, node_id: str) -> bool:
        """Note that a stopping node has no task left; False while it may not end yet (fault ``wedged_drain``)."""
        with self._guard:
            return self.cluster.drained(node_id, self._now())

    def left(self, node_id: str) -> bool:
        """Note that a node's process ends in good order."""
        with self._guard:
            self._heard.pop(node_id, None)
            return self.cluster.forget(node_id, self._now())

    def call(self, node_id: str, name: str, args: Json) -> Json:
        """Carry out one of `lab.bitbucket.calls` for a node.

        Raises:
            KeyError: there is no such call.
        """
        with self._guard:
            asked = Asked(self.cluster, self._around, node_id, self._now(), args)
            return as_json(*carry_out(name, asked))

    def take_fault(self, uid: int) -> bool:
        """Count one use of a fault that nodes act out; False when it is over."""
        with self._guard:
            return self.cluster.faults.take_uid(uid)

    # -- for the lab ----------------------------------------------------------------------------------------------

    def kill(self, node_id: str) -> bool:
        """Note that a node's process was killed, sooner than its missing heartbeats would tell."""
        with self._guard:
            self._heard.pop(node_id, None)
            return self.cluster.kill(node_id, self._now())

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Take nobody for silent inside: the lab itself holds the nodes' processes, which on real disks nobody does."""
        with self._guard:
            self._still += 1
        try:
            yield
        finally:
            with self._guard:
                self._still -= 1
                self._heard = dict.fromkeys(self._heard, self._clock())

    def fault(self, name: str, /, *, node: str = "*", times: int | None = None, **params: Any) -> Fault:
        """Switch a fault of `lab.bitbucket.faults.CATALOGUE` on.

        Raises:
            WorldRefused: no such fault or parameter.
        """
        with self._guard:
            fault = self.cluster.fault(name, node=node, times=times, **params)
            self._now()
            return fault

    def clear_faults(self, name: str | None = None) -> int:
        """Switch the faults of one name off, or all; return how many."""
        with self._guard:
            return self.cluster.faults.clear(name)

    def clear_fault(self, uid: int) -> bool:
        """Switch one fault off by its number; False when it was over."""
        with self._guard:
            return self.cluster.faults.clear_uid(uid)

    def faults(self) -> list[Json]:
        """Return the faults that are switched on."""
        with self._guard:
            return self.cluster.faults.to_json()

    @staticmethod
    def catalogue() -> dict[str, str]:
        """Return what every fault means, by name."""
        return {name: kind.meaning for name, kind in CATALOGUE.items()}

    def configure(self, **changes: Any) -> None:
        """Change settings by name, such as ``base_url`` once the balancer's address is known."""
        with self._guard:
            self.cluster.configure(replace(self.cluster.settings, **changes))

    def events(self, since: int = 0) -> list[Json]:
        """Return changes of state after number ``since``: ``{number, at, node, what}``."""
        with self._guard:
            self._now()
            return [event for event in self._events if event["number"] > since]

    def to_json(self) -> Json:
        """Return the whole cluster as it is now, without any secret."""
        with self._guard:
            now = self._now()
            return {
                "cluster": self.cluster.cluster_view(now),
                "nodes": [self._node_json(node_id, now) for node_id in self.cluster.nodes],
                "split": self.cluster.is_split,
                "database_version": self.cluster.database_version,
                "faults": self.cluster.faults.to_json(),
                "maintenance": self.cluster.maintenance.to_json(),
                "problems": consistency.problems(self.cluster, now),
            }

    def serve(self, port: int = 0) -> str:
        """Serve the HTTP API on 127.0.0.1 in a thread of its own; return its URL."""
        if self._server is None:
            self._server = FabricServer(self, self._token, port)
        return self._server.url

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
            self._server = None

    # -- inner workings -------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let happen what is due; the server calls it several times a second."""
        with self._guard:
            self._now()

    def _now(self, but: str = "") -> float:
        now = self._clock()
        for node_id, heard in list(self._heard.items()):
            if now - heard > self._timeout and node_id != but and not self._still:
                del self._heard[node_id]
                self.cluster.kill(node_id, now)
        self.cluster.tick(now)
        return now

    def _condition(self, node_id: str, now: float) -> Json:
        node = self.cluster.nodes[node_id]
        status = self.cluster.status(node_id, now)
        locked = self.cluster.is_locked(node_id, now)
        return {
            "known": True,
            "state": node.state.value,
            "status": None if status is None else {"code": status.status, "body": status.body},
            "locked": locked,
            "maintenance": self.cluster.maintenance.told(now, locked=locked),
            "banner": self._around.banner,
            "faults": self.cluster.faults.of_node(node_id, node.spec.address),
            "base_url": self.cluster.settings.base_url,
            "ssh_base_url": self.cluster.settings.ssh_base_url,
        }

    def _node_json(self, node_id: str, now: float) -> Json:
        node = self.cluster.nodes[node_id]
        heard = self._heard.get(node_id)
        return {
            "id": node_id,
            "address": node.spec.address,
            "version": node.spec.version,
            "state": node.state.value,
            "crashed": node.dead,
            "island": node.island,
            "refused": node.doom,
            "tasks": node.tasks,
            "users": node.users,
            "heard": None if heard is None else round(now - heard, 3),
        }

    def _note(self, at: float, node: str, what: str) -> None:
        self._told += 1
        self._events.append({"number": self._told, "at": at, "node": node, "what": what})
