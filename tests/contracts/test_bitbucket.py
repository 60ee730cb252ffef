"""``ports.bitbucket``: what every implementation must do, and what Bitbucket answers on the way through a roll."""

from __future__ import annotations

import pytest

from automation.core.cluster import ClusterState, NodeState, OwnView
from automation.ports.errors import Conflict, Unavailable
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
    assert cluster.bitbucket.status() == "RUNNING"
    assert cluster.bitbucket.licence().users == 500
    assert all(check.healthy for check in cluster.bitbucket.health_checks())
    assert cluster.bitbucket.mesh_nodes() == ()


def test_nobody_answers(cluster):
    cluster.hands.stop_all()
    with pytest.raises(Unavailable):
        cluster.bitbucket.cluster()
    with pytest.raises(Unavailable):
        cluster.bitbucket.start_upgrade()


def test_every_node_sees_every_member(cluster):
    addresses = cluster.hands.addresses()
    for address in addresses:
        assert cluster.nodes.view(address) == OwnView("RUNNING", frozenset(addresses))


def test_an_address_where_nobody_answers_has_no_view(cluster):
    assert cluster.nodes.view("10.9.9.9") == OwnView(None, None)
