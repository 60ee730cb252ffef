"""Pools of addresses: what is taken out drains by time, across processes and failed updates."""

from __future__ import annotations

import pytest

from automation.adapters.azure.load_balancer import held, state_of
from automation.adapters.azure.machines import Machine
from automation.core.cluster import Instance, InstanceState, TargetState
from automation.ports.errors import Conflict, Unavailable
from lab.azure.ports import Reply
from lab.azure.world import GROUP
from tests.adapters.azure.roll_world import WRITE_GATEWAY, Rolling
from tests.contracts.azure_estate import BALANCER, DRAIN, GATEWAY, SET, WAIT

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


def test_an_update_that_fails_half_way_leaves_a_new_node_out_of_the_balancer(rolling: Rolling) -> None:
    instance = rolling.instances()["0"].id
    rolling.hands.world.disturbances.fail_operations("network", WRITE_GATEWAY, seconds=2, code="InternalServerError")
    with pytest.raises(Unavailable):
        rolling.balancer.register(instance)
    assert "http" not in rolling.states(instance), "the document names it, and nobody sends requests there"
    rolling.balancer.register(instance)
    rolling.hands.wait(5)
    assert rolling.states(instance) == HEALTHY


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


def test_addresses_that_no_machine_has_leave_the_pools_with_the_next_registration(rolling: Rolling) -> None:
    rolling.registered()
    gone = rolling.instances()["0"]
    rolling.group.resize(4, observed=3)
    rolling.hands.wait(20)
    rolling.hands.estate.members.begin_delete(GROUP, SET, "0", **WAIT).result()
    left = rolling.instances()
    assert _pools(rolling) == [sorted({gone.address, left["1"].address, left["2"].address})] * 2
    rolling.balancer.register(left["3"].id)
    rolling.hands.wait(10)
    assert _pools(rolling) == [sorted(one.address for one in left.values())] * 2
    assert {state for name in left for state in rolling.states(left[name].id).values()} == {TargetState.HEALTHY}


def test_while_an_address_is_not_told_nobody_is_taken_for_gone() -> None:
    whole = [_machine("10.0.0.4"), _machine("10.0.0.5")]
    assert held(["10.0.0.4", "10.0.0.9"], whole) == ("10.0.0.4",)
    assert held(["10.0.0.4", "10.0.0.9"], [*whole, _machine(None)]) == ("10.0.0.4", "10.0.0.9")


def test_for_ssh_a_node_is_down_and_stays_in_the_pool(rolling: Rolling) -> None:
    """What is open goes on then; and the pool is as before once the node is back."""
    rolling.registered()
    before, instance = _ssh(rolling), rolling.instances()["0"]
    rolling.balancer.deregister(instance.id)
    assert _ssh(rolling) == {address: "Down" if address == instance.address else None for address in before}
    assert rolling.states(instance.id)["ssh"] is TargetState.DRAINING
    rolling.hands.wait(DRAIN + 1)
    assert rolling.states(instance.id) == {}
    rolling.balancer.register(instance.id)
    assert _ssh(rolling) == before | {instance.address: "None"}
    rolling.hands.wait(5)
    assert rolling.states(instance.id) == HEALTHY


def test_a_process_that_dies_between_the_balancers_takes_the_node_out_all_the_same(rolling: Rolling) -> None:
    rolling.registered()
    instance = rolling.instances()["0"]
    rolling.faults.refusals[WRITE_GATEWAY] = [Reply(500, "InternalServerError", "not now")] * 4
    with pytest.raises(Unavailable):
        rolling.balancer.deregister(instance.id)
    rolling.faults.refusals.clear()
    assert rolling.states(instance.id) == {"http": TargetState.HEALTHY}
    rolling.another_balancer().deregister(instance.id)
    assert rolling.states(instance.id) == DRAINING


def test_without_a_probe_states_do_nothing_and_addresses_leave_the_pool(rolling: Rolling) -> None:
    rolling.registered()
    balancers = rolling.hands.estate.clients.network.load_balancers
    body = balancers.get(GROUP, BALANCER).as_dict()
    for rule in body["properties"]["loadBalancingRules"]:
        del rule["properties"]["probe"]
    balancers.begin_create_or_update(GROUP, BALANCER, body, **WAIT).result()
    instance = rolling.instances()["0"]
    rolling.balancer.deregister(instance.id)
    assert instance.address not in _ssh(rolling)


def _ssh(rolling: Rolling) -> dict[str | None, str | None]:
    """Return address -> administrative state of the load balancer's pool."""
    pools = rolling.hands.estate.clients.network.load_balancer_backend_address_pools
    lines = pools.get(GROUP, BALANCER, "ssh").as_dict()["properties"]["loadBalancerBackendAddresses"]
    return {line["properties"]["ipAddress"]: line["properties"].get("adminState") for line in lines}


def _machine(address: str | None) -> Machine:
    instance = Instance("0-abcd", address, InstanceState.IN_SERVICE, "7.9.0")
    return Machine("0", "/subscriptions/s", instance, "running", is_latest=True, has_agent=True)


def _pools(rolling: Rolling) -> list[list[str]]:
    """Return the addresses in the gateway's pool and in the load balancer's."""
    network = rolling.hands.estate.clients.network
    http = network.application_gateways.get(GROUP, GATEWAY).as_dict()["properties"]["backendAddressPools"][0]
    pool = network.load_balancer_backend_address_pools.get(GROUP, BALANCER, "ssh").as_dict()["properties"]
    return [
        sorted(line["ipAddress"] for line in http["properties"]["backendAddresses"]),
        sorted(line["properties"]["ipAddress"] for line in pool["loadBalancerBackendAddresses"]),
    ]
