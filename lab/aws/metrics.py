"""CloudWatch: CPU figures of the machines under moto's own metric store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.aws.members import moment
from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

KEPT = 2 * 3600.0
"""Seconds for which figures are kept."""


@dataclass(slots=True)
class Metrics:
    """Where measured figures go in."""

    world: AwsWorld

    def cpu(self, instance: str, percent: float) -> None:
        """Record ``CPUUtilization`` in AWS/EC2 for now; hold the world's lock."""
        backend = self.world.backend("cloudwatch")
        now = self.world.clock.now()
        datum = {
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "InstanceId", "Value": instance}],
            "Timestamp": moment(now).replace(tzinfo=None),  # moto keeps UTC without saying so
            "Value": percent,
            "Unit": "Percent",
        }
        backend.put_metric_data("AWS/EC2", [datum])
        oldest = moment(now - KEPT).replace(tzinfo=None)
        if backend.metric_data[0].timestamp < oldest:
            backend.metric_data = [one for one in backend.metric_data if one.timestamp >= oldest]


def install(world: AwsWorld, patches: Patches) -> None:
    """Nothing to repair: moto answers get_metric_data and get_metric_statistics from what was recorded."""
