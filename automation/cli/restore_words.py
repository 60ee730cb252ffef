"""The words for everything that a restore does and waits for: the same on the board, in reports and in the pages."""

from __future__ import annotations

from collections.abc import Mapping

from automation.core.restores.memory import ActName, Ending, Memory
from automation.core.roll import Record

ACTS: Mapping[str, str] = {
    ActName.DECLARE: "data made beside the old",
    ActName.SUSPEND_PROCESSES: "the group's own processes switched off",
    ActName.STOP_BITBUCKET: "Bitbucket stopped",
    ActName.ACTIVATE: "the estate uses the other data",
    ActName.PREPARE_HOME: "stale locks removed, integrity checking on",
    ActName.ALLOW_LAUNCH: "new machines may come",
    ActName.REPLACE: "node replaced",
    ActName.RESIZE: "as many machines wanted as before",
    ActName.REGISTER: "node put into the balancer",
    ActName.END_CHECKING: "integrity checking off",
    ActName.RESUME_PROCESSES: "the group's own processes switched on",
    ActName.START_BITBUCKET: "Bitbucket started again",
}
GATES: Mapping[str, str] = {
    "all_stopped": "Bitbucket to stop on every node",
    "node_up": "the node to come up, before the next one is started",
    "node_serving": "the new node to serve",
}
ENDINGS: Mapping[str, str] = {
    Ending.RESTORED: "restored",
    Ending.PREPARED: "prepared beside the data in use",
    Ending.CALLED_OFF: "called off; the former data is in use",
    Ending.PAUSED: "paused",
}
PHASES = ("beside", "stopping", "swapping", "starting", "going back", "over")
"""How far a restore is, in its order."""


def phase(memory: Memory) -> str:
    """Return how far a restore is: one of ``PHASES``."""
    if memory.outcome is not None:
        return "over"
    if memory.calling_off:
        return "going back"
    if memory.activated is not None:
        return "starting" if memory.launching else "swapping"
    return "stopping" if memory.suspended else "beside"


def describe(record: Record) -> str:
    """Say in one line what a pass found or did."""
    subject = f" {record.subject}" if record.subject else ""
    if record.kind == "act":
        return f"{ACTS.get(record.name, record.name)}:{subject}" if subject else ACTS.get(record.name, record.name)
    if record.kind == "wait":
        return f"waiting for {GATES.get(record.name, record.name)}: {record.detail}".removesuffix(": ")
    if record.kind == "trouble":
        return f"trouble: {record.detail}"
    if record.kind == "pause":
        return f"paused: {record.name}: {record.detail}"
    return ENDINGS.get(record.name, record.name)
