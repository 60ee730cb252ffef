"""A scripted engine over a file: each pass carries one act out on the file, then remembers it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automation.core.roll import Ending, Memory, Message, MessageKind, Outcome, Plan, Record, Step


def plan(cluster: str = "alpha", target: str = "7.9.4", **others: object) -> Plan:
    return Plan(cluster=cluster, original="7.9.0", target=target, planned=3, minimum=3, maximum=4, **others)  # type: ignore[arg-type]  # test data


@dataclass
class Scripted:
    """Counts to ``length``; each pass writes one line to ``journal`` before it returns."""

    journal: Path
    length: int = 5
    wait: float = 0.0
    pause_at: int | None = None
    opened_at: int = 1
    delay: float = 0.0
    fail_at: int | None = None
    stubborn: bool = False
    """Pauses again, whatever it hears."""
    length_back: int | None = None
    """Length of a run back to the original version, where it is another."""

    def __call__(self, memory: Memory, messages: Sequence[Message]) -> Step:
        number = int(memory.acted.get("count", 0))
        self._write(memory, number, messages)
        if number == self.fail_at:
            raise RuntimeError("scripted defect")
        heard = {message.kind for message in messages}
        paused = (memory.paused or number == self.pause_at) and (self.stubborn or MessageKind.RESUME not in heard)
        approved = next((m.by for m in messages if m.kind is MessageKind.APPROVE), memory.approved_by)
        time.sleep(self.delay)
        after = replace(
            memory,
            acted={"count": number if paused else number + 1},
            opened=number >= self.opened_at,
            paused=paused,
            approved_by=approved,
        )
        return Step(after, Record(time.time(), "act", "count", str(number)), self.wait, self._outcome(after))

    def _outcome(self, memory: Memory) -> Outcome | None:
        if memory.paused:
            return Outcome(Ending.PAUSED, "scripted_pause", "say resume")
        back = memory.plan.target == memory.plan.original
        length = self.length_back if back and self.length_back is not None else self.length
        done = memory.acted["count"] > length
        return Outcome(Ending.ROLLED_BACK if back else Ending.UPGRADED) if done else None

    def _write(self, memory: Memory, number: int, messages: Sequence[Message]) -> None:
        line = {"pid": os.getpid(), "target": memory.plan.target, "number": number, "heard": [m.kind for m in messages]}
        with self.journal.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()] if self.journal.exists() else []
