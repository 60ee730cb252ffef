"""What a node writes into its log about maintenance: each change once, when it learns of it.

The line with the unlock token is Bitbucket's own: whoever has lost the token finds it in the log of any node.
"""

from __future__ import annotations

import logging

from lab.bitbucket.records import Json

_LOG = logging.getLogger("c.a.b.i.maintenance.DefaultMaintenanceService")


class Announcements:
    """Compares what each heartbeat tells with what was told before."""

    def __init__(self) -> None:
        self._lock: Json | None = None
        self._task: Json | None = None

    def hear(self, told: Json) -> None:
        """Take ``{lock, task}`` of a heartbeat (`lab.bitbucket.maintenance.Maintenance.told`)."""
        self._hear_of_lock(told["lock"])
        self._hear_of_task(told["task"])

    def _hear_of_lock(self, lock: Json | None) -> None:
        if lock == self._lock:
            return
        if lock is None:
            _LOG.info("The system has been unlocked")
        else:
            text = "The system has been locked for maintenance by %s. It may be unlocked with token: %s"
            _LOG.warning(text, lock["owner"], lock["token"])
        self._lock = lock

    def _hear_of_task(self, task: Json | None) -> None:
        before = self._task or {"id": None, "state": None, "drained": False}
        if task is not None and task["id"] != before["id"]:
            _LOG.info("Backup task %s has started: draining database connections and Git processes", task["id"])
        if task is not None and task["drained"] and not before["drained"]:
            _LOG.info("Backup task %s: database connections and Git processes are drained", task["id"])
        if task is not None and task["state"] not in ("RUNNING", before["state"]):
            _LOG.info("Backup task %s has ended: %s. Database and Git are unlatched", task["id"], task["state"])
        self._task = task
