"""CPU utilisation from Azure Monitor (``ports.cloud.Metrics``)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from statistics import fmean

from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.machines import Machine, machines_of
from automation.adapters.azure.session import Caller
from automation.ports.clock import Clock

WINDOW = 600
"""Seconds looked back: ten points, less the two or three minutes that Azure Monitor is late."""
INTERVAL = "PT1M"
NAME = "Percentage CPU"


class AzureMetrics:
    """Implements ``ports.cloud.Metrics`` over Azure Monitor."""

    def __init__(self, caller: Caller, cluster: str, clock: Clock) -> None:
        self._caller = caller
        self._clock = clock
        self._estate = Estate(caller, cluster)

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def cpu(self, instances: Collection[str]) -> Mapping[str, float]:
        """Mean CPU utilisation of the last ten minutes in percent; a machine without a point is left out."""
        if not instances:
            return {}
        machines = [one for one in machines_of(self._caller, self._estate.group()) if one.id in instances]
        found = {machine.id: self._points(machine) for machine in machines}
        return {name: fmean(points) for name, points in found.items() if points}

    def _points(self, machine: Machine) -> list[float]:
        answer = self._caller.call(
            "monitor",
            "metrics.list",
            machine.resource.lstrip("/"),
            timespan=self._span(),
            interval=INTERVAL,
            metricnames=NAME,
            aggregation="Average",
        )
        series = [one for metric in answer.value for one in metric.timeseries or ()]
        return [point.average for one in series for point in one.data or () if point.average is not None]

    def _span(self) -> str:
        end = dt.datetime.fromtimestamp(self._clock.now(), dt.UTC)
        begin = end - dt.timedelta(seconds=WINDOW)
        return "/".join(moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (begin, end))
