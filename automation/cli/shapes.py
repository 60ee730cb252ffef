"""JSON shapes of what commands tell; docs/reference/json.md documents them and tests hold them to its schemas."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from automation.adapters.runs.holder import Holder
from automation.adapters.runs.reader import Run
from automation.core.preflight import Preflight
from automation.core.roll import NodeLine, Outcome, Plan, Record
from automation.engine.status import Status

Shape = dict[str, Any]


def moment(seconds: float) -> str:
    """Return a time as ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: object) -> Any:
    """Return ``value`` made of JSON's own types."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return value


def of_node(node: NodeLine) -> Shape:
    """One node."""
    return {
        "instance": node.instance,
        "address": node.address,
        "zone": node.zone,
        "version": node.version,
        "phase": node.phase.value,
        "state": node.state,
    }


def of_record(record: Record) -> Shape:
    """One line of a run's story."""
    return {
        "at": moment(record.at),
        "kind": record.kind,
        "name": record.name,
        "subject": record.subject,
        "detail": record.detail,
        "state": record.state,
        "nodes": [of_node(node) for node in record.nodes],
    }


def of_outcome(outcome: Outcome | None) -> Shape | None:
    """How a run ended, or paused."""
    if outcome is None:
        return None
    return {"ending": outcome.ending.value, "reason": outcome.reason, "detail": outcome.detail}


def of_plan(plan: Plan) -> Shape:
    """What a run set out to do."""
    return {
        "cluster": plan.cluster,
        "original": plan.original,
        "target": plan.target,
        "planned": plan.planned,
        "surge": plan.surge,
        "started": moment(plan.started),
        "by": plan.by,
    }


def of_holder(holder: Holder) -> Shape:
    """The process that drives a run."""
    return {"pid": holder.pid, "host": holder.host, "since": moment(holder.since)}


def of_run(run: Run) -> Shape:
    """One run."""
    return {
        "id": run.id,
        "state": run.state.value,
        "opened": run.standing.opened,
        "plan": of_plan(run.plan),
        "outcome": of_outcome(run.outcome),
        "updated": moment(run.updated),
        "holder": None if run.holder is None else of_holder(run.holder),
    }


def of_preflight(preflight: Preflight) -> Shape:
    """All checks, and what the roll would do."""
    refused = preflight.refused
    return {
        "cluster": preflight.cluster,
        "current": preflight.current,
        "target": preflight.target,
        "checks": [plain(check) for check in preflight.checks],
        "refused": None if refused is None else refused.name,
        "order": list(preflight.order),
        "estimate_seconds": preflight.estimate,
    }


def of_status(status: Status, run: Run | None) -> Shape:
    """The cluster as it stands, and its newest run."""
    return {
        "cluster": status.cluster,
        "state": status.state,
        "upgrade_mode": status.upgrade_mode,
        "original_version": status.original_version,
        "group": {
            "name": status.group,
            "desired": status.desired,
            "minimum": status.minimum,
            "maximum": status.maximum,
            "version": status.model_version,
            "suspended": list(status.suspended),
        },
        "nodes": [of_node(node) for node in status.nodes],
        "ghosts": list(status.ghosts),
        "run": None if run is None else of_run(run),
    }
