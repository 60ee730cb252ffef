"""Take one set of the estate that the environment leads to, straight from Python, and print what it took."""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from typing import Any

from automation.backing import Backing
from automation.backup_estate import estate_of
from automation.core.backups.sets import Mode
from automation.ports.maintenance import Maintenance, MaintenanceState


class Watched:
    """Bitbucket's maintenance API, with every call counted, and the looks among them."""

    def __init__(self, port: Maintenance) -> None:
        self._port = port
        self.looks = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def state(self, unlock_token: str) -> MaintenanceState | None:
        """Look, and count it."""
        self.looks += 1
        return self._port.state(unlock_token)


def take(mode: Mode) -> dict[str, Any]:
    """Take a set; return its figures, the looks under the lock, and the memory of this process."""
    estate = estate_of({})
    watched = Watched(estate.safe.maintenance)
    memory = Backing(replace(estate, safe=replace(estate.safe, maintenance=watched))).create(mode)
    backup, lock = memory.backup, memory.backup.lock
    return {
        "ending": "" if memory.outcome is None else str(memory.outcome.ending),
        "members": len(backup.members),
        "skew_s": backup.skew,
        "lock_s": None if lock is None else lock.seconds,
        "looks": watched.looks,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(take(Mode(sys.argv[1]))))
