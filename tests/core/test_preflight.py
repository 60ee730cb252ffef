"""Each named check of preflight, refused by exactly the fact that it is about."""

from dataclasses import replace

import pytest

from automation.core.cluster import (
    Cluster,
    ClusterState,
    Instance,
    InstanceState,
    Node,
    NodeGroup,
    NodeState,
    Observation,
    Target,
    TargetState,
)
from automation.core.preflight import CHECKS, Facts, evaluate
from automation.core.roll import RollSettings

NOW = 1_700_000_000.0


def nodes(count=3, version="7.9.0", state=NodeState.ACTIVE, tasks=None):
    busy = tasks or [0] * count
    return tuple(Node(f"n{i}", f"10.0.0.{i}", state, version, tasks=busy[i], users=0) for i in range(count))


def observation(listed=None, *, state=ClusterState.STABLE, mode=False, original=None, healthy=TargetState.HEALTHY):
    listed = nodes() if listed is None else listed
    machines = tuple(Instance(f"i-{i}", n.address, InstanceState.IN_SERVICE, "7.9.0") for i, n in enumerate(listed))
    targets = tuple(Target(m.id, "http", healthy) for m in machines)
    group = NodeGroup("g", len(machines), len(machines), len(machines) + 1, "7.9.0", machines)
    return Observation(NOW, Cluster(state, mode, listed, original), group, targets)


def facts(**changes):
    seen = changes.pop("seen", observation())
    base = Facts(
        cluster="c",
        seen=seen,
        current="7.9.0",
        target="7.9.4",
        settings=RollSettings(),
        status="RUNNING",
        licence_expires=None,
        licence_problem=None,
        unhealthy=(),
        incompatible_apps=(),
        mesh_offline=(),
        archive_problem=None,
        cloud_problems=(),
        newest_backup=None,
        planned=len(seen.group.instances),
    )
    return replace(base, **changes)


def failed(given):
    return {check.name for check in evaluate(given).checks if check.blocking and not check.passed}


def test_a_healthy_cluster_passes_every_check():
    assert failed(facts()) == set()


BAD = {
    "version_rule": facts(target="7.10.0"),
    "cluster_state": facts(seen=observation(state=ClusterState.UPGRADE_TASKS_FAILED)),
    "nodes_active": facts(seen=observation((*nodes(2), replace(nodes()[2], state=NodeState.STARTING)))),
    "one_version": facts(seen=observation((*nodes(2), replace(nodes()[2], version="7.9.1")))),
    "no_stranger": facts(
        seen=replace(observation(), cluster=Cluster(ClusterState.STABLE, upgrade_mode=False, nodes=nodes(4)))
    ),
    "licence": facts(licence_expires=NOW - 1),
    "enough_nodes": facts(seen=observation(nodes(1))),
    "balancer_healthy": facts(seen=observation(healthy=TargetState.UNHEALTHY)),
    "capacity": facts(planned=4),
    "apps_compatible": facts(incompatible_apps=("Branch Painter",)),
    "health_checks": facts(unhealthy=("Database: slow",)),
    "no_maintenance_lock": facts(status="MAINTENANCE"),
    "mesh_nodes": facts(mesh_offline=("mesh-1",)),
    "archive_reachable": facts(archive_problem="404"),
    "backup_fresh": facts(settings=RollSettings(backup_age=3600.0), newest_backup=NOW - 7200),
}


def test_every_check_has_a_fact_that_it_refuses():
    assert set(BAD) == {name for name, _ in CHECKS}


@pytest.mark.parametrize("name", BAD)
def test_the_check_refuses_its_fact_by_name(name):
    assert name in failed(BAD[name])


def test_a_problem_of_the_cloud_becomes_a_check_of_its_own():
    result = evaluate(facts(cloud_problems=(("free_addresses", "subnet a has none left"),)))
    assert result.refused is not None
    assert result.refused.name == "free_addresses"


def test_the_order_is_least_busy_first():
    seen = observation(nodes(tasks=[5, 0, 2]))
    assert evaluate(facts(seen=seen)).order == ("i-1", "i-2", "i-0")


def test_an_open_upgrade_is_continued_or_rolled_back():
    seen = observation(state=ClusterState.MIXED, mode=True, original="7.9.0")
    assert failed(facts(seen=seen)) == set()
    assert failed(facts(seen=seen, target="7.9.0")) == set()
    assert failed(facts(seen=seen, target="7.8.9")) == {"version_rule"}


def test_one_node_can_be_rolled_with_a_surge_machine():
    seen = observation(nodes(1))
    assert failed(facts(seen=seen, settings=RollSettings(surge=True))) == set()
