"""The books of a run: every request is entered exactly once, every failure with its time.

Pure: it neither reads a clock nor writes a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.traffic.histogram import Series
from lab.traffic.report import Failure, KindReport, Locked, Push, TrafficReport

LOCK_PAUSE = 5.0
"""Seconds in which nobody is turned away, after which the lock counts as another one."""

MOST_FAILURES = 10_000
"""Failures kept with all their particulars; more are still counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished request."""

    kind: str
    due: float
    """Unix time at which it was due."""
    seconds: float
    """From then to its end."""
    what: str
    error: str | None = None
    """None: it succeeded."""
    status: int | None = None
    upstream: str | None = None
    locked: bool = False
    """Turned away by the maintenance page: neither served nor failed."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of the acknowledged pushes."""

    verified: int
    missing: tuple[Push, ...] = ()
    error: str | None = None
    """Why some could not be looked for."""


@dataclass
class Ledger:
    """The books of one run."""

    run: str
    target: str
    asked: Mapping[str, float]
    began: float
    """Unix time of the first request."""
    ended: float | None = None
    """Unix time after which no request was due."""
    in_flight: int = 0
    acknowledged: int = 0
    _all: Series = field(init=False)
    _kinds: dict[str, Series] = field(default_factory=dict)
    _failures: list[Failure] = field(default_factory=list)
    _turned_away: Counter[str] = field(default_factory=Counter)
    _windows: list[Locked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._all = Series(self.began)

    def begin(self, now: float) -> None:
        """Open the books: the load begins now."""
        self.began, self._all = now, Series(now)

    def enter(self, entry: Entry) -> None:
        """Enter a finished request."""
        failed, milliseconds = entry.error is not None, entry.seconds * 1000
        kind = self._kinds.setdefault(entry.kind, Series(self.began))
        for series in (self._all, kind):
            series.add(entry.due, milliseconds, failed=failed)
        if entry.locked:
            self._turned_away[entry.kind] += 1
            self._note(entry.due + entry.seconds)
        if entry.error is not None and len(self._failures) < MOST_FAILURES:
            self._failures.append(
                Failure(entry.due, entry.kind, entry.what, entry.status, entry.error[:500], entry.upstream)
            )

    def _note(self, at: float) -> None:
        """Enter into the current window a request that was turned away ``at``; after a pause a new one begins."""
        last = self._windows[-1] if self._windows else None
        if last is None or at > last.until + LOCK_PAUSE:
            self._windows.append(Locked(at, at, 1))
        else:
            self._windows[-1] = Locked(min(at, last.since), max(at, last.until), last.requests + 1)

    def report(
        self,
        now: float,
        state: str,
        *,
        error: str | None = None,
        verification: Verification | None = None,
    ) -> TrafficReport:
        """Return the books as they stand."""
        total = self._all.total
        seconds = max((self.ended or now) - self.began, 0.001)
        return TrafficReport(
            run=self.run,
            state=state,
            error=error,
            target=self.target,
            asked=self.asked,
            started=self.began,
            ended=self.ended,
            updated=now,
            rate=round(total.latencies.count / seconds, 2),
            requests=total.latencies.count,
            failed=total.failed,
            in_flight=self.in_flight,
            p50_ms=total.latencies.percentile(0.5),
            p99_ms=total.p99(),
            max_ms=round(total.latencies.maximum, 3),
            kinds={name: self._kind(name, series) for name, series in self._kinds.items()},
            step=self._all.step,
            series=self._all.samples(),
            failures=tuple(self._failures),
            failures_left_off=total.failed - len(self._failures),
            pushes_acknowledged=self.acknowledged,
            pushes_verified=verification.verified if verification else None,
            missing=verification.missing if verification else (),
            verification_error=verification.error if verification else None,
            maintenance=self._turned_away.total(),
            locked=tuple(self._windows),
        )

    def _kind(self, name: str, series: Series) -> KindReport:
        series.widen(self._all.step)
        latencies = series.total.latencies
        return KindReport(
            requests=latencies.count,
            failed=series.total.failed,
            p50_ms=latencies.percentile(0.5),
            p99_ms=latencies.percentile(0.99),
            max_ms=round(latencies.maximum, 3),
            series=series.samples(),
            maintenance=self._turned_away[name],
        )
