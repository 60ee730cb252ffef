"""``ports.bitbucket``: what every implementation must do, and what Bitbucket answers on the way through a roll."""

from __future__ import annotations

import pytest

from automation.core.cluster import ClusterState, NodeState, OwnView
from automation.ports.bitbucket import Licence
from automation.ports.errors import Conflict, NotFound, Unavailable
from tests.contracts.subjects import BitbucketSubject


def versions(cluster: BitbucketSubject) -> list[str | None]:
    return sorted((node.version for node in cluster.bitbucket.cluster().nodes), key=str)


def test_a_stable_cluster(cluster):
    seen = cluster.bitbucket.cluster()
    assert (seen.state, seen.upgrade_mode, seen.original_version) == (ClusterState.STABLE, False, None)
    assert {node.state for node in seen.nodes} == {NodeState.ACTIVE}
    assert {node.address for node in seen.nodes} == set(cluster.hands.addresses())
    assert versions(cluster) == ["7.9.0"] * 3


def test_start_and_cancel(cluster):
    cluster.bitbucket.start_upgrade()
    seen = cluster.bitbucket.cluster()
    assert (seen.state, seen.upgrade_mode, seen.original_version) == (ClusterState.READY_TO_UPGRADE, True, "7.9.0")
    cluster.bitbucket.cancel_upgrade()
    assert cluster.bitbucket.cluster().state is ClusterState.STABLE


def test_a_second_start_is_a_conflict(cluster):
    cluster.bitbucket.start_upgrade()
    with pytest.raises(Conflict):
        cluster.bitbucket.start_upgrade()
    assert cluster.bitbucket.cluster().state is ClusterState.READY_TO_UPGRADE


@pytest.mark.parametrize("act", ["cancel_upgrade", "approve_upgrade"])
def test_acts_out_of_order_are_conflicts_and_change_nothing(cluster, act):
    with pytest.raises(Conflict):
        getattr(cluster.bitbucket, act)()
    assert cluster.bitbucket.cluster().state is ClusterState.STABLE


def test_a_replaced_node_leaves_a_ghost_and_a_mixed_cluster(cluster):
    cluster.bitbucket.start_upgrade()
    old = cluster.hands.addresses()[0]
    cluster.hands.replace(old, "7.9.4")
    seen = cluster.bitbucket.cluster()
    ghost = next(node for node in seen.nodes if node.address == old)
    assert (ghost.state, ghost.version) == (NodeState.OFFLINE, None)
    assert seen.state is ClusterState.MIXED
    assert len(seen.nodes) == 4
    with pytest.raises(Conflict):
        cluster.bitbucket.approve_upgrade()


def test_a_whole_roll(cluster):
    cluster.bitbucket.start_upgrade()
    for address in cluster.hands.addresses():
        cluster.hands.replace(address, "7.9.4")
    assert cluster.bitbucket.cluster().state is ClusterState.READY_TO_RUN_UPGRADE_TASKS
    cluster.bitbucket.approve_upgrade()
    cluster.hands.wait(10)
    seen = cluster.bitbucket.cluster()
    assert (seen.state, seen.upgrade_mode, len(seen.nodes)) == (ClusterState.STABLE, False, 3)
    assert versions(cluster) == ["7.9.4"] * 3
    assert cluster.bitbucket.application().version == "7.9.4"


def test_back_again_before_approval(cluster):
    cluster.bitbucket.start_upgrade()
    cluster.hands.replace(cluster.hands.addresses()[0], "7.9.4")
    cluster.hands.replace(cluster.hands.addresses()[-1], "7.9.0")
    assert cluster.bitbucket.cluster().state is ClusterState.READY_TO_UPGRADE
    cluster.bitbucket.cancel_upgrade()
    assert cluster.bitbucket.cluster().state is ClusterState.STABLE


def test_what_preflight_asks(cluster):
    assert cluster.bitbucket.application().version == "7.9.0"
    assert cluster.bitbucket.application().build
    assert cluster.bitbucket.status() == "RUNNING"
    assert cluster.bitbucket.licence() == Licence(expires=None, users=500)
    checks = cluster.bitbucket.health_checks()
    assert checks
    assert all(check.healthy for check in checks)
    assert cluster.bitbucket.incompatible_apps("7.9.4") == ()
    assert (cluster.bitbucket.mesh_nodes(), cluster.bitbucket.inconsistent_replicas()) == ((), 0)
    assert cluster.bitbucket.repositories() == 6


def test_what_is_wrong_is_told(cluster):
    cluster.hands.break_it("health_check", name="Database", severity="critical")
    (check,) = [check for check in cluster.bitbucket.health_checks() if not check.healthy]
    assert (check.name, check.severity) == ("Database", "critical")
    assert check.reason
    cluster.hands.break_it("incompatible_app", name="Old Hooks")
    assert cluster.bitbucket.incompatible_apps("7.9.4") == ("Old Hooks",)
    cluster.hands.break_it("mesh_offline", mesh=2)
    assert [node.offline for node in cluster.bitbucket.mesh_nodes()] == [False, True]
    cluster.hands.break_it("mesh_inconsistent", repositories=3)
    assert cluster.bitbucket.inconsistent_replicas() == 3
    cluster.hands.break_it("licence_expired")
    expires = cluster.bitbucket.licence().expires
    assert expires is not None
    cluster.hands.break_it("no_licence")
    with pytest.raises(NotFound):
        cluster.bitbucket.licence()


def test_apps_of_a_version_that_nobody_knows_cannot_be_told(cluster):
    assert cluster.bitbucket.incompatible_apps("99.1.0") is None


@pytest.mark.parametrize(
    "call",
    [
        "cluster",
        "start_upgrade",
        "cancel_upgrade",
        "approve_upgrade",
        "application",
        "licence",
        "health_checks",
        "mesh_nodes",
        "inconsistent_replicas",
        "repositories",
    ],
)
def test_nobody_answers(cluster, call):
    cluster.hands.stop_all()
    with pytest.raises(Unavailable):
        getattr(cluster.bitbucket, call)()


def test_nobody_answers_what_may_be_unknown(cluster):
    cluster.hands.stop_all()
    assert (cluster.bitbucket.status(), cluster.bitbucket.incompatible_apps("7.9.4")) == (None, None)


def test_every_node_sees_every_member(cluster):
    addresses = cluster.hands.addresses()
    for address in addresses:
        assert cluster.nodes.view(address) == OwnView("RUNNING", frozenset(addresses))


def test_an_address_where_nobody_answers_has_no_view(cluster):
    assert cluster.nodes.view("10.9.9.9") == OwnView(None, None)
