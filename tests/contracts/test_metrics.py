"""``ports.cloud.Metrics``: what every implementation must do."""

from __future__ import annotations

import pytest


def test_the_mean_of_the_last_minutes(subject):
    first, second, third = (i.id for i in subject.group.observe().instances)
    for percent in (10.0, 30.0):
        subject.hands.record_cpu(first, percent)
        subject.hands.record_cpu(second, 80.0)
        subject.hands.wait(61)
    assert subject.metrics.cpu([first, second, third]) == pytest.approx({first: 20.0, second: 80.0})


def test_old_figures_do_not_count(subject):
    instance = subject.group.observe().instances[0].id
    subject.hands.record_cpu(instance, 99.0)
    subject.hands.wait(1200)
    assert subject.metrics.cpu([instance]) == {}


def test_nothing_asked(subject):
    assert subject.metrics.cpu([]) == {}
