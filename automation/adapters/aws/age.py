"""The age of the newest complete set, told to CloudWatch: for those whose files no node exporter reads."""

from __future__ import annotations

from collections.abc import Sequence

from automation.adapters.aws.session import Caller
from automation.core.backups.sets import BackupSet, SetState

METRIC = "BackupAgeSeconds"


def publish(caller: Caller, namespace: str, cluster: str, sets: Sequence[BackupSet], *, now: float) -> None:
    """Publish the age; nothing while no set is complete, so that silence alarms.

    Raises:
        BbdcError: CloudWatch did not take it.
    """
    begun = max((each.created for each in sets if each.state is SetState.COMPLETE), default=None)
    if begun is None:
        return
    datum = {
        "MetricName": METRIC,
        "Dimensions": [{"Name": "Cluster", "Value": cluster}],
        "Unit": "Seconds",
        "Value": max(0.0, now - begun),
    }
    caller.call("cloudwatch", "put_metric_data", Namespace=namespace, MetricData=[datum])
