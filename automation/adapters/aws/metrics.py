"""CPU utilisation from CloudWatch (``ports.cloud.Metrics``)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Any

from automation.adapters.aws.session import Caller
from automation.ports.clock import Clock

WINDOW = 600
"""Seconds looked back: two points of basic monitoring, which has one every five minutes."""
PERIOD = 60
"""Seconds of one point; with basic monitoring only every fifth exists."""
_AT_ONCE = 500
"""Most queries that GetMetricData takes in one call."""


class AwsMetrics:
    """Implements ``ports.cloud.Metrics`` over CloudWatch."""

    def __init__(self, caller: Caller, clock: Clock) -> None:
        self._caller = caller
        self._clock = clock

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def cpu(self, instances: Collection[str]) -> Mapping[str, float]:
        """Mean CPU utilisation of the last ten minutes in percent; an instance without a point is left out."""
        if not instances:
            return {}
        names = sorted(instances)[:_AT_ONCE]
        end = dt.datetime.fromtimestamp(self._clock.now(), dt.UTC)
        results = self._caller.pages(
            "cloudwatch",
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=[_query(f"i{number}", name) for number, name in enumerate(names)],
            StartTime=end - dt.timedelta(seconds=WINDOW),
            EndTime=end,
        )
        values: dict[str, list[float]] = {}
        for result in results:  # a series can go on over several pages
            values.setdefault(names[int(result["Id"][1:])], []).extend(result.get("Values", ()))
        return {name: fmean(points) for name, points in values.items() if points}


def _query(key: str, instance: str) -> dict[str, Any]:
    dimension = {"Name": "InstanceId", "Value": instance}
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [dimension]}
    return {"Id": key, "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": "Average"}, "ReturnData": True}
