"""A contract: CPU figures through azure-mgmt-monitor, of a machine and of a whole scale set."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError

from lab.azure.operations import iso
from tests.lab.azure.estate import Estate


def averages(estate: Estate, resource: str, **options: str) -> list[float]:
    now = estate.clock.now()
    span = f"{iso(now - 600)[:19]}Z/{iso(now)[:19]}Z"
    answer = estate.clients.monitor.metrics.list(
        resource, timespan=span, interval="PT5M", metricnames="Percentage CPU", aggregation="Average", **options
    )
    return [point.average for metric in answer.value for series in metric.timeseries for point in series.data]


def test_cpu_of_one_machine_and_of_all(estate: Estate) -> None:
    estate.clock.seconds -= estate.clock.seconds % 300
    made = estate.scale_set("cpu", capacity=2)
    with estate.world.lock:
        for machine, percent in (("cpu_0-1", 10.0), ("cpu_0-1", 30.0), ("cpu_1-1", 50.0), ("stranger", 99.0)):
            estate.world.figures.cpu(machine, percent)
    estate.clock.seconds += 1
    assert averages(estate, made.id) == [30.0]
    assert averages(estate, made.id, filter="VMName eq 'cpu_1'") == [50.0]
    assert averages(estate, f"{made.id}/virtualMachines/0") == [20.0]
    estate.clock.seconds += 3600
    assert averages(estate, made.id) == []


def test_what_is_not_measured(estate: Estate) -> None:
    made = estate.scale_set("cpu", capacity=2)
    with pytest.raises(HttpResponseError):
        estate.clients.monitor.metrics.list(made.id, metricnames="Temper")
    with pytest.raises(HttpResponseError):
        estate.clients.monitor.metrics.list(made.id.replace("cpu", "none"), metricnames="Percentage CPU")
