"""JSON shapes of what the backup commands tell; docs/reference/json.md documents them, tests hold them to it."""

from __future__ import annotations

from typing import Any

from automation.cli.backup_words import locked_seconds, phase
from automation.core.backups.labels import SET
from automation.core.backups.manifest import moment, to_json
from automation.core.backups.memory import Memory, Outcome
from automation.core.backups.retention import Retention, Verdict
from automation.core.backups.sets import BackupSet, Examination, Member, Snapshot, Source
from automation.core.roll import Record
from automation.engine.backups.plan import Survey
from automation.engine.backups.prune import Pruned, Pruning
from automation.engine.backups.recover import Recovered

Shape = dict[str, Any]


def of_set(found: BackupSet, now: float) -> Shape:
    """One line of ``bbdc backup list``."""
    lock = found.lock
    return {
        "id": found.id,
        "name": found.name,
        "state": found.state.value,
        "mode": found.mode.value,
        "created": moment(found.created),
        "age_seconds": round(max(0.0, now - found.created), 3),
        "lock_seconds": None if lock is None else _rounded(lock.seconds),
        "lock_beyond_drain_seconds": None if lock is None else _rounded(lock.beyond_drain),
        "skew_seconds": _rounded(found.skew),
        "size_bytes": found.size,
        "members": len(found.members),
        "version": found.version,
        "verified": _of_examination(found.verified),
        "drilled": _of_examination(found.drilled),
        "copies": [
            {"region": copy.region, "account": copy.account, "state": copy.state.value} for copy in found.copies
        ],
        "kept": found.kept,
        "reason": found.reason,
    }


def of_survey(survey: Survey) -> Shape:
    """What a backup would find."""
    refused = survey.refused
    return {
        "cluster": survey.cluster,
        "mode": survey.mode.value,
        "at": moment(survey.at),
        "version": survey.version,
        "repositories": survey.repositories,
        "account": survey.account,
        "region": survey.region,
        "manifests": survey.place,
        "checks": [{"name": f.name, "passed": f.passed, "detail": f.detail} for f in survey.findings],
        "refused": None if refused is None else refused.name,
        "sources": [_of_source(source) for source in survey.sources],
    }


def of_pass(record: Record, memory: Memory) -> Shape:
    """What one pass found or did, and how far the set is."""
    locked = locked_seconds(memory, record.at)
    return {
        "set": memory.backup.id,
        "phase": phase(memory),
        "lock_seconds": _rounded(locked),
        "locked": memory.locked_out,
        "drained": memory.drained is not None,
        "record": {"at": moment(record.at), "kind": record.kind, "name": record.name, "detail": record.detail},
        "members": [_of_member(member, memory) for member in memory.backup.members],
    }


def of_outcome(outcome: Outcome | None) -> Shape | None:
    """How a set ended."""
    if outcome is None:
        return None
    return {"ending": outcome.ending.value, "reason": outcome.reason, "detail": outcome.detail}


def of_result(memory: Memory, code: int) -> Shape:
    """The last line of ``bbdc backup create --json``."""
    return {"set": to_json(memory.backup), "outcome": of_outcome(memory.outcome), "exit_code": int(code)}


def of_pruning(policy: Retention, pruning: Pruning, pruned: Pruned | None) -> Shape:
    """What retention says, and what was removed when it was asked for."""
    return {
        "policy": {
            "keep_last": policy.last,
            "keep_daily": policy.daily,
            "keep_weekly": policy.weekly,
            "keep_monthly": policy.monthly,
            "keep_yearly": policy.yearly,
            "invalid_days": policy.invalid_days,
        },
        "verdicts": [_of_verdict(verdict) for verdict in pruning.verdicts],
        "orphans": [of_snapshot(snapshot) for snapshot in pruning.orphans],
        "removed": None
        if pruned is None
        else {"sets": list(pruned.sets), "snapshots": list(pruned.snapshots), "failures": list(pruned.failures)},
    }


def of_recovered(found: Recovered, *, cluster: str, locked_by_us: bool, now: float, code: int) -> Shape:
    """What a recovery found, and what became of it."""
    return {
        "cluster": cluster,
        "ended": [{"set": of_set(m.backup, now), "outcome": of_outcome(m.outcome)} for m in found.ended],
        "owner": found.owner,
        "owner_unknown": found.owner_unknown,
        "locked_by_us": locked_by_us,
        "stale": [of_set(each, now) for each in found.stale],
        "orphans": [of_snapshot(snapshot) for snapshot in found.orphans],
        "exit_code": int(code),
    }


def of_snapshot(snapshot: Snapshot) -> Shape:
    """A snapshot that belongs to no set."""
    return {
        "id": snapshot.id,
        "kind": snapshot.kind.value,
        "source": snapshot.source,
        "state": snapshot.state.value,
        "at": moment(snapshot.at),
        "size_bytes": snapshot.size,
        "set": snapshot.tags.get(SET),
    }


def _of_examination(found: Examination | None) -> Shape | None:
    return (
        None if found is None else {"at": moment(found.at), "passed": found.passed, "seconds": round(found.seconds, 3)}
    )


def _of_source(source: Source) -> Shape:
    return {
        "kind": source.kind.value,
        "id": source.id,
        "role": source.role,
        "state": source.state,
        "problem": source.problem,
        "size_bytes": source.size,
        "zone": source.zone,
        "encryption_key": source.encryption_key,
    }


def _of_member(member: Member, memory: Memory) -> Shape:
    done = member.completed is not None
    return {
        "kind": member.kind.value,
        "role": member.role,
        "source": member.source,
        "snapshot": member.snapshot,
        "at": moment(member.at),
        "percent": 100 if done else memory.percents.get(member.snapshot, 0),
        "completed": done,
    }


def _of_verdict(verdict: Verdict) -> Shape:
    return {"set": verdict.set_id, "keep": verdict.keep, "reasons": list(verdict.reasons)}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
