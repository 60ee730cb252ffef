"""The life of a cluster's machines: start, drain, stop, crash, and the time that passes meanwhile.

No I/O, no threads, no clock: see `lab.bitbucket.model`, which adds the rolling-upgrade API.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from lab.bitbucket import consistency, joining
from lab.bitbucket.faults import FaultBook
from lab.bitbucket.maintenance import Maintenance
from lab.bitbucket.records import Busy, Fault, Node, NodeSpec, Settings, State
from lab.bitbucket.view import Window


class Life:
    """Everything that runs on one database and one shared home, apart from the rolling upgrade."""

    def __init__(self, settings: Settings | None = None, seed: int = 0) -> None:
        self.settings = settings or Settings()
        self.random = Random(seed)  # noqa: S311 -- chance that can be repeated is the point; nothing here is a secret
        self.faults = FaultBook()
        self.nodes: dict[str, Node] = {}
        """Live and just crashed nodes by the machine's handle, in order of their start."""
        self.maintenance = Maintenance(self.settings, self.random, self.faults, self.nodes)
        self.window: Window | None = None
        """Upgrade mode; None while it is off."""
        self.tasks_due: float | None = None
        """When the upgrade tasks that run now end."""
        self.finalization_failed = False
        self.database_version: str | None = None
        """Version the database was last brought to; an older Bitbucket refuses to start on it."""
        self.listener: Callable[[float, str, str], None] | None = None
        """Told ``(now, node's handle or "", what happened)`` at every change of state."""
        self.torn: set[int] = set()
        """Islands that ran two versions while another island, blind to them, finalized on the shared database."""
        self.integrity_checked_by: str | None = None
        """The node that has taken the integrity check of this start of the cluster upon itself."""
        self._tasks_fail = False
        self._finalizing: int | None = None
        self._islands = 0
        self._next: float | None = None

    # -- the machines ---------------------------------------------------------------------------------------------

    def boot(self, spec: NodeSpec, now: float) -> Node:
        """Start Bitbucket on a machine; it is listed as STARTING at once, unless it finds nobody.

        Raises:
            WorldRefused: nothing like it can exist, such as two live nodes at one address.
        """
        self.tick(now)
        consistency.refuse_boot(self, spec)
        for corpse in [n for n in self.nodes.values() if n.spec.key == spec.key or n.spec.id == spec.id]:
            self._gone(corpse, now)  # its connection is closed by the newcomer at the same address
        if not any(not node.dead for node in self.nodes.values()):
            self.maintenance.forget()
            self.integrity_checked_by = None
            self.finalization_failed = False  # the tasks run as part of the start of the whole cluster (inferred)
        node = Node(spec, f"{self.random.getrandbits(128):032x}", self._discover(spec), now)
        node.due = now + self.settings.boot_seconds
        joining.foresee(self, node)
        self.nodes[spec.id] = node
        self._changed(node, now, State.STARTING)
        return node

    def stop(self, node_id: str, now: float, *, drain: float | None = None, terminate: float | None = None) -> bool:
        """Begin a graceful stop: DRAINING, TERMINATING, gone. False when there is nothing to stop.

        ``drain`` and ``terminate`` are the seconds of the two states where the process itself sets the pace.
        """
        self.tick(now)
        node = self.nodes.get(node_id)
        if node is None or node.dead:
            return False
        if node.state in (State.DRAINING, State.TERMINATING):
            return True
        node.terminate_seconds = self.settings.terminate_seconds if terminate is None else terminate
        if node.state is State.ACTIVE:
            node.wedged = self.faults.take("wedged_drain", node_id, node.spec.address) is not None
            node.due = None if node.wedged else now + (self.settings.drain_seconds if drain is None else drain)
            self._changed(node, now, State.DRAINING)
        else:
            self._terminate(node, now)
        return True

    def kill(self, node_id: str, now: float) -> bool:
        """End a node without a word: silent for a while, then gone. False when there is nothing to kill."""
        self.tick(now)
        node = self.nodes.get(node_id)
        if node is None or node.dead:
            return False
        node.dead = True
        node.due = now + self.settings.silent_seconds
        self._told(now, node_id, "silent")
        self._reckon()
        return True

    def drained(self, node_id: str, now: float) -> bool:
        """Note that a stopping node has finished its tasks; False while something still holds it."""
        self.tick(now)
        node = self.nodes.get(node_id)
        if node is not None and not node.dead and node.state is State.DRAINING and not node.wedged:
            self._terminate(node, now)
        return node is None or node.state is not State.DRAINING

    def revive(self, node_id: str, now: float) -> bool:
        """Note that a node taken for crashed speaks again. False when the others have dropped it already."""
        self.tick(now)
        node = self.nodes.get(node_id)
        if node is None:
            return False
        if node.dead:
            pace = {State.STARTING: self.settings.boot_seconds, State.DRAINING: self.settings.drain_seconds}
            lasts = node.terminate_seconds if node.state is State.TERMINATING else pace.get(node.state)
            node.dead, node.due = False, None if lasts is None or node.wedged else now + lasts
            self._told(now, node_id, "speaks again")
            self._reckon()
        return True

    def forget(self, node_id: str, now: float) -> bool:
        """Note that a process has ended in good order: it is gone at once. False when it was gone already."""
        self.tick(now)
        node = self.nodes.get(node_id)
        if node is None:
            return False
        self._gone(node, now)
        return True

    def configure(self, settings: Settings) -> None:
        """Change how the cluster behaves from now on."""
        self.settings = self.maintenance.settings = settings

    def report(self, node_id: str, *, tasks: int, users: int, busy: Busy | None = None) -> None:
        """Take a node's own count of running tasks, active users and what a backup has to wait for."""
        node = self.nodes.get(node_id)
        if node is None:
            return
        node.tasks, node.users = max(tasks, 0), max(users, 0)
        if busy is not None:
            node.git, node.writes, node.latch = busy.git, busy.writes, busy.latch

    def fault(self, name: str, /, *, node: str = "*", times: int | None = None, **params: object) -> Fault:
        """Switch a fault of the catalogue on; see `lab.bitbucket.faults`."""
        return self.faults.set(name, node=node, times=times, **params)

    # -- time -----------------------------------------------------------------------------------------------------

    def next_event(self) -> float | None:
        """Return when something changes by itself next; None when nothing will."""
        return self._next

    def tick(self, now: float) -> None:
        """Let everything happen that is due until ``now``, in order."""
        while self._next is not None and self._next <= now:
            due = self._next
            if self.tasks_due is not None and self.tasks_due <= due:
                self._finish_tasks(self.tasks_due)
            else:
                self._advance(next(n for n in self.nodes.values() if n.due is not None and n.due <= due), due)
            self._reckon()
        if "error" in self.faults:
            self._strike(now)
        if "task_cancelled" in self.faults or "lock_lost" in self.faults:
            self.maintenance.strike(now)

    def _strike(self, now: float) -> None:
        """Act out the fault `error` on the first running node that it names."""
        for node in list(self.nodes.values()):
            running = node.state is State.ACTIVE and not node.dead
            if running and self.faults.take("error", node.spec.id, node.spec.address):
                node.due = None
                self._changed(node, now, State.ERROR)

    def _advance(self, node: Node, now: float) -> None:
        if node.dead or node.state is State.TERMINATING:
            self._gone(node, now)
        elif node.state is State.DRAINING:
            self._terminate(node, now)
        else:
            joining.finish_start(self, node, now)

    def _reckon(self) -> None:
        due = self.tasks_due
        for node in self.nodes.values():
            if node.due is not None and (due is None or node.due < due):
                due = node.due
        self._next = due

    # -- who sees whom ---------------------------------------------------------------------------------------------

    @property
    def is_clustered(self) -> bool:
        """True with a licence that allows clustering."""
        return self.settings.clustered and not self.faults.on("not_clustered")

    @property
    def is_split(self) -> bool:
        """True when more than one island is ACTIVE on the database."""
        return len({n.island for n in self.nodes.values() if not n.dead and n.state is State.ACTIVE}) > 1

    def main_island(self) -> int | None:
        """Return the island with most live nodes, the older one of two equals; None when nothing runs."""
        sizes: dict[int, int] = {}
        for node in self.nodes.values():
            if not node.dead:
                sizes[node.island] = sizes.get(node.island, 0) + 1
        return min(sizes, key=lambda island: (-sizes[island], island)) if sizes else None

    def _seen(self, asked: str | None) -> list[Node]:
        node = self.nodes.get(asked) if asked else None
        island = node.island if node else self.main_island()
        return [each for each in self.nodes.values() if each.island == island]

    # -- inner workings -------------------------------------------------------------------------------------------

    def _discover(self, spec: NodeSpec) -> int:
        island = self.main_island()
        if island is None or self.faults.take("alone", spec.id, spec.address):
            self._islands += 1
            return self._islands
        return island

    def _terminate(self, node: Node, now: float) -> None:
        node.due = now + node.terminate_seconds
        self._changed(node, now, State.TERMINATING)

    def _gone(self, node: Node, now: float) -> None:
        del self.nodes[node.spec.id]
        self._told(now, node.spec.id, "gone")
        if self.tasks_due is not None and not any(not n.dead for n in self.nodes.values()):
            self.tasks_due, self._tasks_fail = None, False
            self.window, self.finalization_failed = None, True  # pending: nobody is left to run them
        self._reckon()

    def _finish_tasks(self, now: float) -> None:
        self.tasks_due, self.window = None, None
        self.torn |= consistency.mixed_islands(self) - {self._finalizing}
        self.finalization_failed, self._tasks_fail = self._tasks_fail, False
        live = [n.spec.version for n in self.nodes.values() if n.state is State.ACTIVE and not n.dead]
        if not self.finalization_failed:
            joining.bring_database_to(self, live)
        self._told(now, "", "upgrade tasks failed" if self.finalization_failed else "upgrade finalized")

    def _changed(self, node: Node, now: float, state: State) -> None:
        node.state = state
        if state is State.ACTIVE:
            node.active_since = now
        self._told(now, node.spec.id, state.value)
        self._reckon()

    def _told(self, now: float, node_id: str, what: str) -> None:
        if self.listener is not None:
            self.listener(now, node_id, what)
