"""Pools of addresses: what is taken out drains by time, across processes and failed updates."""

from __future__ import annotations

import pytest

from automation.adapters.azure.load_balancer import state_of
from automation.core.cluster import TargetState
from automation.ports.errors import Conflict, Unavailable
from lab.azure.ports import Reply
from lab.azure.world import GROUP
from tests.adapters.azure.roll_world import WRITE_GATEWAY, Rolling
from tests.contracts.azure_estate import DRAIN, GATEWAY, SET, WAIT

DRAINING = {"http": TargetState.DRAINING, "ssh": TargetState.DRAINING}
HEALTHY = {"http": TargetState.HEALTHY, "ssh": TargetState.HEALTHY}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Healthy", TargetState.HEALTHY),
        ("Up", TargetState.HEALTHY),
        ("Unhealthy", TargetState.UNHEALTHY),
        ("Down", TargetState.UNHEALTHY),
        ("Draining", TargetState.DRAINING),
        ("Unknown", TargetState.INITIAL),
        ("a word of next year", TargetState.INITIAL),
    ],
)
def test_both_of_azures_vocabularies_are_understood(word: str, state: TargetState) -> None:
    assert state_of(word) is state


def test_nobody_is_in_the_pools_of_a_new_estate(rolling: Rolling) -> None:
    assert rolling.balancer.targets() == ()
    assert rolling.balancer.groups() == ("http", "ssh")
    rolling.registered()
    assert {t.state for t in rolling.balancer.targets()} == {TargetState.HEALTHY}


def test_the_gateway_is_written_with_everything_that_it_had(rolling: Rolling) -> None:
    gateways = rolling.hands.estate.clients.network.application_gateways
    before = gateways.get(GROUP, GATEWAY).as_dict()
    rolling.registered()
    after = gateways.get(GROUP, GATEWAY).as_dict()
    for document in (before, after):
        document["properties"].pop("backendAddressPools")
        document.pop("etag")
    assert after == before


def test_another_process_sees_who_drains_and_waits_long_enough(rolling: Rolling) -> None:
    rolling.registered()
    instance = rolling.instances()["0"].id
    rolling.balancer.deregister(instance)
    other = rolling.another_balancer()
    assert rolling.states(instance, other) == DRAINING
    rolling.hands.wait(DRAIN + 1)
    assert rolling.states(instance) == {}
    assert rolling.states(instance, other) == {}
    assert rolling.states(instance, rolling.another_balancer()) == {"http": TargetState.DRAINING}, "not too short"


def test_a_renewed_machine_does_not_drain(rolling: Rolling) -> None:
    rolling.registered()
    old = rolling.instances()["0"].id
    rolling.balancer.deregister(old)
    rolling.group.replace(old, "7.9.0")
    rolling.hands.wait(15)
    fresh = rolling.instances()["0"].id
    assert fresh != old
    assert rolling.states(fresh) == {}
    rolling.balancer.register(fresh)
    rolling.hands.wait(10)
    assert rolling.states(fresh) == HEALTHY


def test_an_update_that_fails_half_way_leaves_the_node_in_the_balancer(rolling: Rolling) -> None:
    rolling.registered()
    instance = rolling.instances()["0"].id
    rolling.hands.world.disturbances.fail_operations("network", WRITE_GATEWAY, seconds=2, code="InternalServerError")
    with pytest.raises(Unavailable):
        rolling.balancer.deregister(instance)
    assert rolling.states(instance)["http"] is TargetState.HEALTHY, "the gateway sends requests there"
    rolling.balancer.deregister(instance)
    assert rolling.states(instance)["http"] is TargetState.DRAINING


def test_while_the_gateway_changes_a_removed_node_drains(rolling: Rolling) -> None:
    rolling.registered()
    instance = rolling.instances()["0"].id
    rolling.faults.lost.append(WRITE_GATEWAY)  # azure-core sends it again, and the condition does not hold any more
    with pytest.raises(Conflict):
        rolling.balancer.deregister(instance)
    assert rolling.states(instance) == DRAINING
    rolling.hands.wait(2)
    assert rolling.states(instance)["http"] is TargetState.DRAINING
    rolling.hands.wait(DRAIN + 2)
    assert rolling.states(instance) == {}


def test_somebody_elses_change_is_a_conflict_and_nothing_is_overwritten(rolling: Rolling) -> None:
    rolling.registered()
    rolling.faults.refusals[WRITE_GATEWAY] = [Reply(412, "PreconditionFailed", "changed")]
    instance = rolling.instances()["0"].id
    with pytest.raises(Conflict):
        rolling.balancer.deregister(instance)
    assert rolling.states(instance) == {"http": TargetState.HEALTHY}, "SSH is out; the gateway is not"
    rolling.balancer.deregister(instance)
    assert rolling.states(instance)["http"] is TargetState.DRAINING


def test_the_tag_keeps_the_last_eight(rolling: Rolling) -> None:
    rolling.hands.estate.sets.begin_update(GROUP, SET, {"sku": {"capacity": 9}}, **WAIT).result()
    rolling.registered()
    for instance in rolling.group.observe().instances:
        rolling.balancer.deregister(instance.id)
    tag = rolling.hands.estate.clients.network.application_gateways.get(GROUP, GATEWAY).tags["bitbucket-dc:draining"]
    assert len(tag.split()) == 8
    assert len(tag) <= 256
