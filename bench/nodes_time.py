"""How long the nodes themselves took in a roll, read off the lab's own events: drain, stop, boot, join.

drain   deregistered             -> drained in every target group
stop    command to stop          -> the process is gone
boot    machine launched         -> node ACTIVE
join    node ACTIVE              -> healthy in every target group
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NodeTimes:
    """Seconds of one slot: an old node out, its successor in."""

    drain: float
    stop: float
    boot: float
    join: float

    @property
    def total(self) -> float:
        """All four, one after the other."""
        return self.drain + self.stop + self.boot + self.join


def read(path: Path) -> list[Event]:
    """Read log/events.jsonl of a lab."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def slots(events: Iterable[Event]) -> list[NodeTimes]:
    """Pair every machine that left the balancer with the machine launched next."""
    listed = _named(events)
    commands = [e for e in listed if e["event"] == "command"]
    launches = [e for e in listed if e["event"] == "launched"]
    found = []
    for command in commands:
        old = command["instance"]
        new = next((e for e in launches if e["at"] > command["at"]), None)
        if new is not None:
            found.append(_slot(listed, old, command["at"], new["instance"], new["at"]))
    return found


def _named(events: Iterable[Event]) -> list[Event]:
    """Say of targets that are told by their address which machine had it then: a renewed one keeps the old one's."""
    holders: dict[str, str] = {}
    named = []
    for event in events:
        if event["event"] == "launched" and "address" in event:
            holders[event["address"]] = event["instance"]
        known = holders.get(event.get("address", ""))
        named.append(event if "instance" in event or known is None else event | {"instance": known})
    return named


def _slot(events: list[Event], old: str, told: float, new: str, launched: float) -> NodeTimes:
    out = _first(events, old, "target-deregistered")
    drained = _last(events, old, "target-drained", before=told + 60)
    gone = _first(events, old, "gone", after=told)
    active = _first(events, new, "ACTIVE")
    healthy = _last(events, new, "target-health", state="healthy")
    return NodeTimes(drained - out, gone - told, active - launched, max(healthy - active, 0.0))


def _times(events: list[Event], instance: str, name: str, **more: str) -> list[float]:
    return [
        e["at"]
        for e in events
        if e.get("instance") == instance and e["event"] == name and all(e.get(k) == v for k, v in more.items())
    ]


def _first(events: list[Event], instance: str, name: str, after: float = 0.0) -> float:
    return min(at for at in _times(events, instance, name) if at >= after)


def _last(events: list[Event], instance: str, name: str, before: float = float("inf"), **more: str) -> float:
    return max(at for at in _times(events, instance, name, **more) if at <= before)
