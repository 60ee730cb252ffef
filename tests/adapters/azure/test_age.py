"""The age of the newest complete set in Azure Monitor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automation.adapters.azure.age import METRIC, publish
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.ports.errors import Forbidden, NotFound
from lab.azure.operations import iso
from lab.azure.ports import Reply
from tests.adapters.azure.roll_world import Rolling
from tests.contracts.azure_estate import CLUSTER

NAMESPACE = "BitbucketDC"


def sets(now: float) -> list[BackupSet]:
    """An old and a young complete set, and a newer one that is no good."""
    old = BackupSet("1", CLUSTER, Mode.LOCKED, SetState.COMPLETE, created=now - 5_000.0)
    young = replace(old, id="2", created=now - 2_000.0)
    return [old, young, replace(old, id="3", created=now - 1_000.0, state=SetState.INVALID)]


def send(rolling: Rolling, found: list[BackupSet], cluster: str = CLUSTER, age: float = 0.0) -> None:
    world = rolling.hands.world
    publish(
        rolling.session.caller(),
        NAMESPACE,
        cluster,
        found,
        now=world.clock.now() - age,
        endpoint=world.custom_metrics.url,
    )


def published(rolling: Rolling, cluster: str = CLUSTER) -> list[float]:
    """What a client of Azure Monitor finds."""
    hands = rolling.hands
    now = hands.world.clock.now()
    (group,) = hands.estate.clients.compute.virtual_machine_scale_sets.list_all()
    answer = hands.estate.clients.monitor.metrics.list(
        group.id,
        timespan=f"{iso(now - 600)[:19]}Z/{iso(now + 1)[:19]}Z",
        metricnamespace=NAMESPACE,
        metricnames=METRIC,
        aggregation="Maximum",
        filter=f"Cluster eq '{cluster}'",
    )
    return [point.maximum for metric in answer.value for series in metric.timeseries for point in series.data]


def test_only_a_complete_set_counts(rolling: Rolling) -> None:
    *_, bad = found = sets(rolling.hands.world.clock.now())
    send(rolling, [bad])
    assert rolling.hands.world.custom_metrics.known == {}
    send(rolling, found)
    assert published(rolling) == [2_000.0]
    assert published(rolling, "somebody-else") == []


def test_a_missing_right_is_named(rolling: Rolling) -> None:
    refused = Reply(403, "AuthorizationFailed", "does not have authorization to perform action 'Metrics/Write'")
    rolling.faults.refusals["POST metrics"] = [refused]
    with pytest.raises(Forbidden, match="Metrics/Write"):
        send(rolling, sets(rolling.hands.world.clock.now()))


def test_a_cluster_without_nodes_has_no_metric(rolling: Rolling) -> None:
    with pytest.raises(NotFound):
        send(rolling, sets(rolling.hands.world.clock.now()), cluster="nobody")
