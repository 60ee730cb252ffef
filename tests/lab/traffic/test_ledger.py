"""The books: nothing is lost, percentiles are near the truth, memory is bounded."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.traffic.histogram import MOST_SLICES, Histogram, Series
from lab.traffic.ledger import MOST_FAILURES, Entry, Ledger
from lab.traffic.report import Locked, TrafficReport


@given(st.lists(st.floats(0.01, 100_000), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_percentiles_are_within_a_bucket_of_the_truth(latencies: list[float], share: float) -> None:
    histogram = Histogram()
    for latency in latencies:
        histogram.add(latency)
    truth = sorted(latencies)[math.ceil(share * len(latencies)) - 1]
    assert histogram.percentile(share) == pytest.approx(truth, rel=0.051, abs=0.001)
    assert histogram.percentile(share) <= histogram.maximum + 0.001  # rounded to a microsecond


@given(st.lists(st.tuples(st.floats(0, 20_000), st.booleans())))
def test_a_series_loses_nothing_however_long_it_gets(requests: list[tuple[float, bool]]) -> None:
    series = Series(1000.0)
    for at, failed in requests:
        series.add(1000 + at, 1.0, failed=failed)
    seconds = series.samples()
    assert len(seconds) <= MOST_SLICES
    assert sum(second.requests for second in seconds) == len(requests)
    assert sum(second.failed for second in seconds) == sum(failed for _, failed in requests)
    assert [second.time for second in seconds] == [1000 + at * series.step for at in range(len(seconds))]


def ledger() -> Ledger:
    return Ledger("r", "http://h", {"pages": 1.0}, began=100.0)


def test_seconds_without_a_request_are_there_too() -> None:
    books = ledger()
    books.enter(Entry("rest", 100.5, 0.01, "GET /"))
    books.enter(Entry("page", 103.5, 0.02, "GET /", error="500"))
    report = books.report(104.0, "running")
    assert [(s.requests, s.failed) for s in report.series] == [(1, 0), (0, 0), (0, 0), (1, 1)]
    assert (report.kinds["page"].failed, report.kinds["rest"].failed) == (1, 0)


def test_failures_beyond_the_limit_are_still_counted() -> None:
    books = ledger()
    for _ in range(MOST_FAILURES + 7):
        books.enter(Entry("page", 100.0, 0.0, "GET /", error="x" * 1000))
    report = books.report(101.0, "running")
    assert (report.failed, len(report.failures), report.failures_left_off) == (MOST_FAILURES + 7, MOST_FAILURES, 7)
    assert len(report.failures[0].error) <= 500


def test_who_is_turned_away_by_a_lock_is_counted_apart_and_in_windows() -> None:
    books = ledger()
    for kind, due in (("page", 100.0), ("page", 103.0), ("page", 101.0), ("push", 104.0), ("page", 120.0)):
        books.enter(Entry(kind, due, 0.5, "GET /", locked=True))
    books.enter(Entry("page", 105.0, 0.5, "GET /", error="x"))
    report = books.report(121.0, "running")
    assert (report.requests, report.failed, report.maintenance, report.kinds["push"].maintenance) == (6, 1, 5, 1)
    assert report.locked == (Locked(100.5, 104.5, 4), Locked(120.5, 120.5, 1))
    assert len(report.failures) == 1


def test_a_report_of_before_there_were_locks_is_read() -> None:
    document = ledger().report(101.0, "running").to_json()
    del document["maintenance"], document["locked"]
    assert TrafficReport.from_json(document).maintenance == 0


def test_a_report_survives_its_file() -> None:
    books = ledger()
    books.enter(Entry("page", 100.0, 0.1, "GET /", locked=True))
    books.enter(Entry("page", 100.0, 0.1, "GET /", error="x", status=502, upstream="i-a"))
    report = books.report(101.0, "running")
    assert TrafficReport.from_json(report.to_json()) == report
