"""An estate on the lab's Azure for the adapters of backups: what goes wrong is scripted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from lab.azure.ports import Call, NoFaults, Reply
from lab.azure.world import GROUP
from tests.contracts.safe_azure import CLUSTER, WorldClock
from tests.lab.azure.estate import WAIT, Estate, encoded


@dataclass
class Scripted(NoFaults):
    """Faults by action, each used up once it has happened."""

    refusals: dict[str, list[Reply]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)

    def refuse(self, call: Call) -> Reply | None:
        """Refuse as scripted, and note every call."""
        self.seen.append(call.action)
        return self.refusals[call.action].pop(0) if self.refusals.get(call.action) else None

    def lose_reply(self, call: Call) -> bool:
        """Lose the reply of a scripted action."""
        if call.action not in self.lost:
            return False
        self.lost.remove(call.action)
        return True

    def agent_lost(self, instance: str) -> bool:
        """Say whether a machine's agent is gone."""
        return instance in self.deaf


class Passing(WorldClock):
    """A clock whose sleep lets the lab live, and its processes too."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(0.01)
        WorldClock.sleep(self, seconds)


def nodes(estate: Estate, count: int = 2, *, script: str = "", **more: Any) -> list[str]:
    """Make the cluster's scale set; return Azure's ids of its machines."""
    body = estate.model(capacity=count, tags={"bitbucket-dc:cluster": CLUSTER, "bitbucket-dc:role": "node"}, **more)
    if script:
        body["properties"]["virtualMachineProfile"]["userData"] = encoded(script)
    estate.sets.begin_create_or_update(GROUP, f"{CLUSTER}-nodes", body, **WAIT).result()
    return estate.ids(f"{CLUSTER}-nodes")
