"""Records in plain words, the same on the board, in Pulumi's display and in reports."""

from __future__ import annotations

from automation.core.roll import Record

MILESTONES = frozenset({"start_upgrade", "replace", "retire", "condemn", "approve", "cancel"})
"""Acts that stay on the display after they have passed."""


def describe(record: Record) -> str:
    """Say one record in one line of plain words."""
    what = record.name.replace("_", " ")
    subject = f" {record.subject}" if record.subject else ""
    detail = f": {record.detail}" if record.detail else ""
    state = f" [{record.state}]" if record.state else ""
    opening = {"wait": "waiting for ", "trouble": "trouble: ", "pause": "paused: ", "finish": "finished: "}
    return f"{opening.get(record.kind, '')}{what}{subject}{detail}{state}"


def is_milestone(record: Record) -> bool:
    """Tell whether the line should stay on the display."""
    return record.kind in {"pause", "finish", "message"} or (record.kind == "act" and record.name in MILESTONES)
