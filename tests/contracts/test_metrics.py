"""``ports.cloud.Metrics``: what every implementation must do."""

from __future__ import annotations

import pytest

from tests.contracts.subjects import Subject


@pytest.fixture
def measured(subject: Subject) -> Subject:
    if subject.metrics is None:
        pytest.skip("nothing is measured here")
    return subject


def test_the_mean_of_the_last_minutes(measured):
    first, second, third = (i.id for i in measured.group.observe().instances)
    for percent in (10.0, 30.0):
        measured.hands.record_cpu(first, percent)
        measured.hands.record_cpu(second, 80.0)
        measured.hands.wait(61)
    assert measured.metrics.cpu([first, second, third]) == pytest.approx({first: 20.0, second: 80.0})


def test_old_figures_do_not_count(measured):
    instance = measured.group.observe().instances[0].id
    measured.hands.record_cpu(instance, 99.0)
    measured.hands.wait(1200)
    assert measured.metrics.cpu([instance]) == {}


def test_nothing_asked(measured):
    assert measured.metrics.cpu([]) == {}
