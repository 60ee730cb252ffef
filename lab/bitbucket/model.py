"""A Bitbucket Data Center cluster as its rolling-upgrade API shows it: pure, deterministic, cheap.

No I/O, no threads, no clock: every method takes ``now`` in seconds, chance comes from the seed. The same object runs in
virtual time under the simulator and in real time behind `lab.bitbucket.fabric`. What no text of Atlassian's states is
marked "(inferred)" here and in the docs.

A *cluster* here is everything on one database. Normally its nodes are one *island*; a node that finds nobody when it
starts forms an island of its own, and neither sees the other: a split cluster.
"""

from __future__ import annotations

from lab.bitbucket import view
from lab.bitbucket.life import Life
from lab.bitbucket.records import Json, Remembered, Reply, State, Upgrade, errors
from lab.bitbucket.view import Window

_NOT_CLUSTERED = "Rolling upgrades feature requires a clustered installation."


class Cluster(Life):
    """Everything that runs on one database and one shared home, and its rolling-upgrade API."""

    # -- the rolling-upgrade API ----------------------------------------------------------------------------------

    def start_upgrade(self, now: float, asked: str | None = None) -> Reply:
        """POST /rest/zdu/start: only in STABLE, and with no node in ERROR."""
        if refused := self._refused(now, asked):
            return refused
        if self.faults.take("start_error"):
            return errors(500, "An error occurred while enabling upgrade mode.", "ServerException")
        nodes, asked = self._seen(asked), self._asked(asked)
        broken = any(node.state is State.ERROR and not view.is_silent(node, self.faults, asked) for node in nodes)
        if self.upgrade_state(asked) is not Upgrade.STABLE or broken:
            return Reply(409)
        remembered = ((n.spec.key, Remembered(n.uuid, n.spec.name, n.spec.address, n.spec.port)) for n in nodes)
        self.window = Window(self.nodes[asked].spec.version, tuple(remembered))
        self._told(now, "", "upgrade mode on")
        return Reply(200, self.cluster_view(now, asked))

    def cancel(self, now: float, asked: str | None = None) -> Reply:
        """POST /rest/zdu/cancel: only in READY_TO_UPGRADE."""
        if refused := self._refused(now, asked):
            return refused
        if self.upgrade_state(asked) is not Upgrade.READY_TO_UPGRADE:
            return Reply(409)
        self.window = None
        self._told(now, "", "upgrade mode off")
        return Reply(200, self.cluster_view(now, asked))

    def approve(self, now: float, asked: str | None = None) -> Reply:
        """POST /rest/zdu/approve: only in READY_TO_RUN_UPGRADE_TASKS, however many nodes were upgraded."""
        if refused := self._refused(now, asked):
            return refused
        if self.upgrade_state(asked) is not Upgrade.READY_TO_RUN_UPGRADE_TASKS:
            return Reply(409)
        broken = self.faults.take("approve_error")
        if broken and broken.params["then"] == "nothing":
            return errors(500, "The upgrade could not be finalized.", "ServerException")
        self._tasks_fail = self.faults.take("tasks_fail") is not None or (
            broken is not None and broken.params["then"] == "failed"
        )
        self.tasks_due = now + self.settings.tasks_seconds
        self._finalizing = self._seen(asked)[0].island
        self._told(now, "", "upgrade tasks run")
        self._reckon()
        self.tick(now)
        if broken:
            return errors(500, "The upgrade could not be finalized.", "ServerException")
        return Reply(200, self.cluster_view(now, asked))

    def cluster_view(self, now: float, asked: str | None = None) -> Json:
        """GET /rest/zdu/cluster as the node ``asked`` answers it; None for any node of the largest island."""
        self.tick(now)
        asked = self._asked(asked)
        odd = self.faults.on("unknown_cluster_state")
        shown: Json = {
            "upgradeModeEnabled": self.window is not None,
            "state": odd.params["state"] if odd else self.upgrade_state(asked).value,
            "originalVersion": self.window.original_version if self.window else None,
            "nodes": view.listing(self._seen(asked), self.window, self.settings, self.faults, asked=asked),
            "links": [{"rel": "self", "href": f"{self.settings.base_url}/rest/zdu/cluster"}],
        }
        if self.faults.on("extra_fields"):
            shown["shardCount"] = 1
        return shown

    def state_view(self, now: float, asked: str) -> Json:
        """GET /rest/zdu/state: the cluster's state and the node that answers."""
        self.tick(now)
        node = self.nodes[asked]
        odd = self.faults.on("unknown_cluster_state")
        state = odd.params["state"] if odd else self.upgrade_state(asked).value
        return {"state": state, "buildInfo": view.node_json(node, self.settings, self.faults, local=True)}

    def node_view(self, now: float, uuid: str, asked: str | None = None) -> Reply:
        """GET /rest/zdu/nodes/{id}."""
        nodes = self.cluster_view(now, asked)["nodes"]
        found = next((node for node in nodes if node["id"] == uuid), None)
        return Reply(200, found) if found else errors(404, f"No node with id {uuid}.", "NoSuchNodeException")

    def upgrade_state(self, asked: str | None = None) -> Upgrade:
        """Compute the cluster's state as ``asked`` sees it."""
        return view.upgrade_state(
            self._seen(asked),
            self.window,
            self.faults,
            asked=self._asked(asked),
            running=self.tasks_due is not None,
            failed=self.finalization_failed,
        )

    def _refused(self, now: float, asked: str | None) -> Reply | None:
        self.tick(now)
        if not any(node.answers for node in self._seen(asked)):
            return errors(503, "No node answers.")
        if not self.is_clustered:
            return errors(403, _NOT_CLUSTERED, "AuthorisationException")
        return None

    # -- what a node says of itself -------------------------------------------------------------------------------

    def status(self, node_id: str, now: float) -> Reply | None:
        """GET /status of one node; None when no process answers there."""
        self.tick(now)
        node = self.nodes.get(node_id)
        if node is None or node.dead:
            return None
        if node.state is State.STARTING:
            return Reply(503, {"state": "STARTING"})
        if node.state is State.ERROR:
            return Reply(500, {"state": "ERROR"})  # (inferred)
        if node.state is State.TERMINATING:
            return Reply(503, {"state": "STOPPING"})  # (inferred)
        if not self.settings.set_up or self.faults.on("first_run"):
            return Reply(200, {"state": "FIRST_RUN"})
        return Reply(200, {"state": "MAINTENANCE" if self.is_locked(node_id, now) else "RUNNING"})

    def is_locked(self, node_id: str, now: float) -> bool:
        """Tell whether this node knows of the maintenance lock; one that joined later notices later."""
        held, node = self.maintenance.held, self.nodes.get(node_id)
        if held is None or node is None or node.active_since is None:
            return False
        joined_later = node.active_since > held.since
        return not joined_later or now >= node.active_since + self.settings.lock_check_seconds

    def members(self, node_id: str) -> tuple[str, ...]:
        """Return the addresses of all members that this node sees, itself included."""
        return tuple(node.spec.address for node in self._seen(node_id))

    def admin_cluster(self, node_id: str, now: float) -> Json:
        """GET /rest/api/latest/admin/cluster of one node."""
        self.tick(now)
        return view.admin_cluster(self._seen(node_id), self.settings, asked=node_id)

    def answer_delay(self, asked: str | None = None) -> float:
        """Return how many seconds a listing takes: it waits for members that do not answer."""
        asked = self._asked(asked)
        waits = any(view.is_silent(n, self.faults, asked) for n in self._seen(asked))
        return self.settings.answer_seconds if waits else 0.0

    # -- inner workings -------------------------------------------------------------------------------------------

    def _asked(self, asked: str | None) -> str:
        """Return who answers when nobody is named: a healthy node where there is one, "" where there is none."""
        if asked:
            return asked
        able = [node for node in self._seen(None) if node.answers]
        healthy = (node for node in able if not view.is_silent(node, self.faults, None))
        node = next(healthy, able[0] if able else None)
        return node.spec.id if node else ""
