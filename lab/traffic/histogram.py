"""Latencies in bounded memory: logarithmic buckets, and series of them over time."""

from __future__ import annotations

import math
from collections import Counter

from lab.traffic.report import Sample

GROWTH = math.log(1.05)
"""Each bucket is 5 % wider than the one before: a percentile is right to within 2.5 %."""

MOST_SLICES = 3600
"""Slices of a series; past it two become one and ``step`` doubles."""


class Histogram:
    """Counts of latencies in milliseconds."""

    __slots__ = ("_counts", "count", "maximum")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.count = 0
        self.maximum = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one latency."""
        self._counts[math.floor(math.log(max(milliseconds, 0.001)) / GROWTH)] += 1
        self.count += 1
        self.maximum = max(self.maximum, milliseconds)

    def merge(self, other: Histogram) -> None:
        """Count everything that another one counted."""
        self._counts.update(other._counts)
        self.count += other.count
        self.maximum = max(self.maximum, other.maximum)

    def percentile(self, share: float) -> float:
        """Return the latency in ms under which ``share`` (0 to 1) of all stayed; 0 when there are none."""
        wanted = math.ceil(share * self.count)
        for bucket in sorted(self._counts):
            wanted -= self._counts[bucket]
            if wanted <= 0:
                return round(min(self.maximum, math.exp((bucket + 0.5) * GROWTH)), 3)
        return 0.0


class Slice:
    """What began within one slice of time."""

    __slots__ = ("_p99", "failed", "latencies")

    def __init__(self) -> None:
        self.failed = 0
        self.latencies = Histogram()
        self._p99 = (0, 0.0)

    def p99(self) -> float:
        """Return the 99th percentile in ms, worked out again only when something was added."""
        if self._p99[0] != self.latencies.count:
            self._p99 = (self.latencies.count, self.latencies.percentile(0.99))
        return self._p99[1]


class Series:
    """Slices over time, ``step`` seconds each, and their total."""

    def __init__(self, began: float) -> None:
        self.began = math.floor(began)
        self.step = 1
        self.total = Slice()
        self._slices: dict[int, Slice] = {}

    def add(self, at: float, milliseconds: float, *, failed: bool) -> None:
        """Count a request that began at Unix time ``at``."""
        number = max(0, int(at - self.began)) // self.step
        while number >= MOST_SLICES:
            self._halve()
            number //= 2
        for one in (self._slices.setdefault(number, Slice()), self.total):
            one.latencies.add(milliseconds)
            one.failed += failed

    def widen(self, step: int) -> None:
        """Use slices at least as long as ``step``, so that several series have the same ones."""
        while self.step < step:
            self._halve()

    def samples(self) -> tuple[Sample, ...]:
        """Return every slice from the first second on, those without a request included."""
        empty = Slice()
        last = max(self._slices, default=-1)
        return tuple(self._sample(number, self._slices.get(number, empty)) for number in range(last + 1))

    def _sample(self, number: int, one: Slice) -> Sample:
        return Sample(self.began + number * self.step, one.latencies.count, one.failed, one.p99())

    def _halve(self) -> None:
        self.step *= 2
        halves, self._slices = self._slices, {}
        for number, one in halves.items():
            kept = self._slices.setdefault(number // 2, Slice())
            kept.failed += one.failed
            kept.latencies.merge(one.latencies)
