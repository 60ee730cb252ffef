"""The age of the newest complete set in CloudWatch."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import boto3
import pytest

from automation.adapters.aws.age import METRIC, publish
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.ports.errors import Forbidden
from lab.aws.ports import Reply

OLD = BackupSet("1", "alpha", Mode.LOCKED, SetState.COMPLETE, created=1_000.0)
YOUNG = replace(OLD, id="2", created=4_000.0)
NO_GOOD = replace(OLD, id="3", created=5_000.0, state=SetState.INVALID)


def published() -> list[float]:
    now = dt.datetime.now(dt.UTC)
    found: dict[str, Any] = boto3.client("cloudwatch").get_metric_statistics(
        Namespace="BitbucketDC",
        MetricName=METRIC,
        Dimensions=[{"Name": "Cluster", "Value": "alpha"}],
        StartTime=now - dt.timedelta(hours=1),
        EndTime=now + dt.timedelta(hours=1),
        Period=7200,
        Statistics=["Minimum"],
    )
    return [point["Minimum"] for point in found["Datapoints"]]


def test_only_a_complete_set_counts(caller):
    publish(caller, "BitbucketDC", "alpha", [NO_GOOD], now=6_000.0)
    assert published() == []
    publish(caller, "BitbucketDC", "alpha", [OLD, YOUNG, NO_GOOD], now=6_000.0)
    assert published() == [2_000.0]


def test_a_missing_right_is_named(caller, faults):
    faults.refusals["PutMetricData"] = [
        Reply(403, "AccessDenied", "not authorized to perform: cloudwatch:PutMetricData")
    ]
    with pytest.raises(Forbidden):
        publish(caller, "BitbucketDC", "alpha", [OLD], now=6_000.0)
