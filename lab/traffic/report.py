"""What a run found out: frozen values, to and from the summary file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Self

SCHEMA = 1


class Sample(NamedTuple):
    """What was due within one slice of time (a second; longer in very long runs: see ``step``)."""

    time: float
    """Unix time of its begin."""
    requests: int
    failed: int
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that a user would have seen fail."""

    time: float
    """Unix time at which it was due."""
    kind: str
    what: str
    """Method and path, or the git command."""
    status: int | None
    """HTTP status, or git's exit code; None when there was none."""
    error: str
    upstream: str | None
    """Machine that the balancer had chosen, where it is known."""


@dataclass(frozen=True, slots=True)
class KindReport:
    """One kind of request. Latencies are milliseconds from when the request was due to its last byte."""

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    series: tuple[Sample, ...]
    maintenance: int = 0
    """Turned away by the maintenance page; not among the failed."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A span in which Bitbucket turned requests away because it was locked for maintenance; Unix times."""

    since: float
    until: float
    requests: int


@dataclass(frozen=True, slots=True)
class Push:
    """A push that the server acknowledged."""

    time: float
    """Unix time at which the client knew of it."""
    repository: str
    """PROJECT/slug."""
    branch: str
    commit: str
    began: float = 0.0
    """Unix time at which the client began; 0 where nobody wrote it down."""


@dataclass(frozen=True, slots=True)
class TrafficReport:
    """A run of traffic, finished or not; field by field in docs/reference/lab-traffic.md."""

    run: str
    state: str
    """starting, running, verifying, finished, failed (see ``error``) or died."""
    error: str | None
    target: str
    asked: Mapping[str, float]
    started: float
    ended: float | None
    updated: float
    rate: float
    requests: int
    failed: int
    in_flight: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    kinds: Mapping[str, KindReport]
    step: int
    series: tuple[Sample, ...]
    failures: tuple[Failure, ...]
    failures_left_off: int
    pushes_acknowledged: int
    pushes_verified: int | None
    missing: tuple[Push, ...]
    verification_error: str | None
    maintenance: int = 0
    locked: tuple[Locked, ...] = ()
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        document: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        document["asked"] = dict(self.asked)
        document["kinds"] = {name: _plain(kind) for name, kind in self.kinds.items()}
        document["series"] = [list(sample) for sample in self.series]
        document["failures"] = [asdict(failure) for failure in self.failures]
        document["missing"] = [asdict(push) for push in self.missing]
        document["locked"] = [asdict(window) for window in self.locked]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``to_json`` made.

        Raises:
            KeyError, TypeError: the document is of another schema.
        """
        values = dict(document)
        values["kinds"] = {name: _kind(entry) for name, entry in document["kinds"].items()}
        values["series"] = _series(document["series"])
        values["failures"] = tuple(Failure(**entry) for entry in document["failures"])
        values["missing"] = tuple(Push(**entry) for entry in document["missing"])
        values["locked"] = tuple(Locked(**entry) for entry in document.get("locked", ()))
        return cls(**values)


def _kind(entry: Mapping[str, Any]) -> KindReport:
    return KindReport(**{**entry, "series": _series(entry["series"])})


def _plain(kind: KindReport) -> dict[str, Any]:
    document = {each.name: getattr(kind, each.name) for each in fields(kind)}
    return document | {"series": [list(sample) for sample in kind.series]}


def _series(entries: list[list[Any]]) -> tuple[Sample, ...]:
    return tuple(Sample(*entry) for entry in entries)
