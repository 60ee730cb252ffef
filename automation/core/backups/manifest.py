"""A set as its manifest: JSON that somebody can read in five years, and that ``bbdc backup show --json`` prints.

Documented, with a schema, in docs/reference/manifest.md. Times are ISO 8601, UTC, to the millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from automation.core.backups.sets import (
    BackupSet,
    Copy,
    Counts,
    Examination,
    Finding,
    LockTimes,
    Member,
    MemberKind,
    Mode,
    SetState,
)

SCHEMA = 1
"""Grows when a reader of today could misunderstand what is written."""
Json = dict[str, Any]


def to_json(found: BackupSet) -> Json:
    """Return the manifest of a set."""
    return {
        "schema": SCHEMA,
        "id": found.id,
        "name": found.name,
        "cluster": found.cluster,
        "mode": found.mode.value,
        "state": found.state.value,
        "reason": found.reason,
        "detail": found.detail,
        "created": moment(found.created),
        "ended": moment(found.ended),
        "by": found.by,
        "version": found.version,
        "region": found.region,
        "account": found.account,
        "size_bytes": found.size,
        "skew_seconds": _rounded(found.skew),
        "recover_to": moment(found.recover_to),
        "expected": list(found.expected),
        "members": [_member(member) for member in found.members],
        "lock": None if found.lock is None else _lock(found.lock),
        "counts": {
            "repositories_before": found.counts.repositories_before,
            "repositories_after": found.counts.repositories_after,
        },
        "copies": [_copy(copy) for copy in found.copies],
        "verified": _examination(found.verified),
        "drilled": _examination(found.drilled),
        "kept": found.kept,
    }


def from_json(document: object) -> BackupSet:
    """Return the set that a manifest describes.

    Raises:
        ValueError: it is no manifest, or one of a later schema; the message says which field is wrong.
    """
    if not isinstance(document, Mapping):
        raise ValueError("a manifest is a JSON object")  # noqa: TRY004 -- what it was made from is text, not a type
    if document.get("schema") != SCHEMA:
        raise ValueError(f"a manifest of schema {document.get('schema')!r}; this version reads {SCHEMA}")
    try:
        return _read(document)
    except KeyError as error:
        raise ValueError(f"a manifest without {error.args[0]!r}") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a manifest with a field of the wrong kind: {error}") from error


def moment(seconds: float | None) -> str | None:
    """Return a time as ISO 8601, UTC, to the millisecond."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str | None) -> float | None:
    """Return a time written by ``moment``, in seconds since the epoch."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _member(member: Member) -> Json:
    return {
        "kind": member.kind.value,
        "role": member.role,
        "source": member.source,
        "snapshot": member.snapshot,
        "at": moment(member.at),
        "begun": moment(member.begun),
        "answered": moment(member.answered),
        "completed": moment(member.completed),
        "size_bytes": member.size,
        "zone": member.zone,
        "encryption_key": member.encryption_key,
        "facts": dict(member.facts),
    }


def _lock(lock: LockTimes) -> Json:
    return {
        "asked": moment(lock.asked),
        "held": moment(lock.held),
        "drained": moment(lock.drained),
        "released": moment(lock.released),
        "seconds": _rounded(lock.seconds),
        "beyond_drain_seconds": _rounded(lock.beyond_drain),
    }


def _copy(copy: Copy) -> Json:
    plain = {field.name: getattr(copy, field.name) for field in fields(copy)}
    return plain | {"state": copy.state.value, "members": dict(copy.members), "at": moment(copy.at)}


def _examination(found: Examination | None) -> Json | None:
    if found is None:
        return None
    return {
        "at": moment(found.at),
        "passed": found.passed,
        "seconds": round(found.seconds, 3),
        "by": found.by,
        "findings": [{"name": f.name, "passed": f.passed, "detail": f.detail} for f in found.findings],
    }


def _read(document: Mapping[str, Any]) -> BackupSet:
    return BackupSet(
        id=document["id"],
        cluster=document["cluster"],
        mode=Mode(document["mode"]),
        state=SetState(document["state"]),
        created=_known(document["created"]),
        version=document["version"],
        name=document["name"],
        by=document["by"],
        region=document["region"],
        account=document["account"],
        members=tuple(_read_member(member) for member in document["members"]),
        expected=tuple(document["expected"]),
        lock=_read_lock(document["lock"]),
        counts=Counts(**document["counts"]),
        ended=seconds_of(document["ended"]),
        reason=document["reason"],
        detail=document["detail"],
        recover_to=seconds_of(document["recover_to"]),
        copies=tuple(_read_copy(copy) for copy in document["copies"]),
        verified=_read_examination(document["verified"]),
        drilled=_read_examination(document["drilled"]),
        kept=bool(document["kept"]),
    )


def _known(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _read_member(plain: Mapping[str, Any]) -> Member:
    return Member(
        kind=MemberKind(plain["kind"]),
        source=plain["source"],
        snapshot=plain["snapshot"],
        role=plain["role"],
        at=seconds_of(plain["at"]),
        begun=seconds_of(plain["begun"]),
        answered=seconds_of(plain["answered"]),
        size=int(plain["size_bytes"]),
        zone=plain["zone"],
        encryption_key=plain["encryption_key"],
        completed=seconds_of(plain["completed"]),
        facts=dict(plain["facts"]),
    )


def _read_lock(plain: Mapping[str, Any] | None) -> LockTimes | None:
    if plain is None:
        return None
    return LockTimes(
        asked=_known(plain["asked"]),
        held=_known(plain["held"]),
        drained=seconds_of(plain["drained"]),
        released=seconds_of(plain["released"]),
    )


def _read_copy(plain: Mapping[str, Any]) -> Copy:
    return Copy(**{**plain, "state": SetState(plain["state"]), "at": _known(plain["at"])})


def _read_examination(plain: Mapping[str, Any] | None) -> Examination | None:
    if plain is None:
        return None
    findings = tuple(Finding(f["name"], bool(f["passed"]), f["detail"]) for f in plain["findings"])
    return Examination(_known(plain["at"]), bool(plain["passed"]), findings, float(plain["seconds"]), plain["by"])
