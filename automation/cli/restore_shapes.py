"""JSON shapes of what restores and drills tell; docs/reference/json.md documents them, tests hold them to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automation.cli.restore_words import phase
from automation.core.backups.manifest import moment
from automation.core.backups.sets import BackupSet, Finding
from automation.core.restores.generations import Generation
from automation.core.restores.memory import Memory
from automation.core.roll import Record
from automation.engine.restores.stage import Staged, StagePlan

Shape = dict[str, Any]


def of_plan(memory: Memory, findings: Iterable[Finding] = (), *, continued: bool = False) -> Shape:
    """What a restore sets out to do, and every check."""
    plan = memory.plan
    return {
        "cluster": plan.cluster,
        "target": plan.target,
        "previous": plan.previous,
        "set": plan.set_id or None,
        "mode": plan.mode.value if plan.set_id else None,
        "made_from": None if plan.generation is None else of_generation(plan.generation),
        "prepare_only": plan.prepare_only,
        "undo": plan.undo,
        "calling_off": memory.calling_off,
        "continued": continued,
        "started": moment(plan.started),
        "by": plan.by,
        "checks": [of_finding(finding) for finding in findings],
    }


def of_generation(generation: Generation) -> Shape:
    """What a generation of data is made from."""
    return {
        "home_snapshots": list(generation.home_snapshots),
        "database_snapshot": generation.database_snapshot or None,
        "database_source": generation.database_source or None,
        "database_time": moment(generation.database_time),
    }


def of_finding(finding: Finding) -> Shape:
    """One check."""
    return {"name": finding.name, "passed": finding.passed, "detail": finding.detail}


def of_pass(record: Record, memory: Memory) -> Shape:
    """What one pass found or did, and how far the restore is."""
    return {
        "target": memory.plan.target,
        "phase": phase(memory),
        "active": memory.plan.previous if memory.activated is None else memory.plan.target,
        "stopped": list(memory.stopped),
        "replaced": list(memory.replaced),
        "record": {
            "at": moment(record.at),
            "kind": record.kind,
            "name": record.name,
            "subject": record.subject,
            "detail": record.detail,
        },
    }


def of_result(memory: Memory, code: int) -> Shape:
    """The last line of ``bbdc restore --json``."""
    outcome = memory.outcome
    ended = (
        None
        if outcome is None
        else {"ending": outcome.ending.value}
        | {
            "reason": outcome.reason,
            "detail": outcome.detail,
        }
    )
    return {"plan": of_plan(memory), "outcome": ended, "exit_code": int(code)}


def of_drill(found: BackupSet, code: int) -> Shape:
    """The last line of ``bbdc drill --json``."""
    drilled = found.drilled
    result = (
        None
        if drilled is None
        else {
            "at": moment(drilled.at),
            "passed": drilled.passed,
            "seconds": round(drilled.seconds, 3),
            "by": drilled.by,
            "findings": [of_finding(finding) for finding in drilled.findings],
        }
    )
    return {"set": found.id, "drill": result, "exit_code": int(code)}


def of_stage_plan(planned: StagePlan) -> Shape:
    """What a staging copy would be; of secrets only that they are there."""
    return {
        "stack": planned.wish.stack,
        "set": planned.found.id,
        "version": planned.found.version,
        "made_from": of_generation(planned.data),
        "config": {key: None if setting.secret else setting.value for key, setting in sorted(planned.config.items())},
        "checks": [of_finding(finding) for finding in planned.findings],
    }


def of_staged(staged: Staged) -> Shape:
    """A copy that stands."""
    return {
        "stack": staged.stack,
        "url": staged.url,
        "mail_server_removed": staged.mail,
        "webhooks_switched_off": staged.webhooks,
        "mirrors": list(staged.mirrors),
    }
