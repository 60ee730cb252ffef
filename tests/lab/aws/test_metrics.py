"""CPU figures go in once and come out of both queries."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lab.aws.ports import ManualClock
from lab.aws.world import AwsWorld
from tests.lab.aws.estate import Estate


def window(clock: ManualClock) -> dict[str, Any]:
    now = dt.datetime.fromtimestamp(clock.now(), dt.UTC)
    return {"StartTime": now - dt.timedelta(minutes=5), "EndTime": now + dt.timedelta(minutes=1)}


def test_cpu(world: AwsWorld, estate: Estate, clock: ManualClock) -> None:
    busy, idle, unknown = estate.members()
    with world.lock:
        for percent in (80.0, 90.0):
            world.metrics.cpu(busy, percent)
        world.metrics.cpu(idle, 2.5)
    client = world.client("cloudwatch")
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/EC2",
                    "MetricName": "CPUUtilization",
                    "Dimensions": [{"Name": "InstanceId", "Value": instance}],
                },
                "Period": 300,
                "Stat": "Average",
            },
        }
        for number, instance in enumerate((busy, idle, unknown))
    ]
    results = client.get_metric_data(MetricDataQueries=queries, **window(clock))["MetricDataResults"]
    assert {line["Id"]: line["Values"] for line in results} == {"m0": [85.0], "m1": [2.5], "m2": []}
    points = client.get_metric_statistics(
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "InstanceId", "Value": busy}],
        Period=300,
        Statistics=["Average", "Maximum"],
        **window(clock),
    )["Datapoints"]
    assert (points[0]["Average"], points[0]["Maximum"]) == (85.0, 90.0)


def test_old_figures_are_forgotten(world: AwsWorld, clock: ManualClock) -> None:
    with world.lock:
        world.metrics.cpu("i-1", 1.0)
        clock.advance(3 * 3600)
        world.metrics.cpu("i-1", 2.0)
        assert [datum.value for datum in world.backend("cloudwatch").metric_data] == [2.0]
