"""A contract: application gateways written as a whole, load balancers, networks."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from lab.azure.world import GROUP, SUBSCRIPTION
from tests.lab.azure.estate import WAIT, Estate

PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/applicationGateways"


def gateway(estate: Estate, name: str, *addresses: str) -> dict[str, Any]:
    place = f"{PLACE}/{name}"

    def at(part: str, one: str) -> dict[str, str]:
        return {"id": f"{place}/{part}/{one}"}

    settings = {"port": 7990, "protocol": "Http", "connectionDraining": {"enabled": True, "drainTimeoutInSec": 20}}
    listener = {
        "frontendIPConfiguration": at("frontendIPConfigurations", "front"),
        "frontendPort": at("frontendPorts", "http"),
    }
    rule = {
        "priority": 100,
        "httpListener": at("httpListeners", "http"),
        "backendAddressPool": at("backendAddressPools", "nodes"),
        "backendHttpSettings": at("backendHttpSettingsCollection", "http"),
    }
    return {
        "location": "westeurope",
        "properties": {
            "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
            "gatewayIPConfigurations": [{"name": "ip", "properties": {"subnet": {"id": estate.subnet}}}],
            "frontendIPConfigurations": [{"name": "front", "properties": {}}],
            "frontendPorts": [{"name": "http", "properties": {"port": 80}}],
            "backendAddressPools": [
                {"name": "nodes", "properties": {"backendAddresses": [{"ipAddress": one} for one in addresses]}}
            ],
            "backendHttpSettingsCollection": [{"name": "http", "properties": settings}],
            "httpListeners": [{"name": "http", "properties": listener}],
            "requestRoutingRules": [{"name": "all", "properties": rule}],
        },
    }


def write(estate: Estate, name: str, *addresses: str, **options: Any) -> Any:
    body = gateway(estate, name, *addresses)
    return estate.clients.network.application_gateways.begin_create_or_update(GROUP, name, body, **(WAIT | options))


def behind(estate: Estate, name: str) -> dict[str, str]:
    """Return address -> state of what the data path has."""
    pool = estate.world.backends.pools.get(f"{PLACE}/{name}/backendAddressPools/nodes".lower(), {})
    return {one.address: "draining" if one.draining else "registered" for one in pool.values()}


def test_an_update_takes_its_time_and_what_was_removed_drains(estate: Estate) -> None:
    write(estate, "gw", "10.0.0.4", "10.0.0.5").result()
    assert behind(estate, "gw") == {"10.0.0.4": "registered", "10.0.0.5": "registered"}
    write(estate, "gw", "10.0.0.5", polling=False)
    gateways = estate.clients.network.application_gateways
    assert gateways.get(GROUP, "gw").provisioning_state == "Updating"
    assert behind(estate, "gw")["10.0.0.4"] == "registered", "the gateway has not taken it over yet"
    estate.settle(6)
    assert gateways.get(GROUP, "gw").provisioning_state == "Succeeded"
    assert behind(estate, "gw") == {"10.0.0.4": "draining", "10.0.0.5": "registered"}
    estate.settle(20)
    assert behind(estate, "gw") == {"10.0.0.5": "registered"}


def test_the_health_of_what_stands_behind_it(estate: Estate) -> None:
    write(estate, "health", "10.0.0.4", "10.0.0.5", "10.0.0.6").result()
    pool = f"{PLACE}/health/backendAddressPools/nodes"
    with estate.world.lock:
        estate.world.backends.report(pool, "10.0.0.4", healthy=True)
        estate.world.backends.report(pool, "10.0.0.5", healthy=False, reason="Received 503")
    found = estate.clients.network.application_gateways.begin_backend_health(GROUP, "health", **WAIT).result()
    servers = found.backend_address_pools[0].backend_http_settings_collection[0].servers
    assert [(one.address, one.health) for one in servers] == [
        ("10.0.0.4", "Healthy"), ("10.0.0.5", "Unhealthy"), ("10.0.0.6", "Unknown"),
    ]  # fmt: skip
    assert servers[1].health_probe_log == "Received 503"


def test_a_second_update_cancels_the_first(estate: Estate) -> None:
    write(estate, "twice", "10.0.0.4").result()
    write(estate, "twice", "10.0.0.4", "10.0.0.5", polling=False)
    first = estate.world.operations.going[-1]
    write(estate, "twice", "10.0.0.6").result()
    assert (first.status, first.error.code) == ("Canceled", "Canceled")
    assert behind(estate, "twice") == {"10.0.0.4": "draining", "10.0.0.6": "registered"}
    gateways = estate.clients.network.application_gateways
    write(estate, "twice", "10.0.0.6", polling=False)
    with pytest.raises(HttpResponseError) as caught:
        gateways.begin_delete(GROUP, "twice", **WAIT)
    assert caught.value.error.code == "AnotherOperationInProgress"
    estate.settle(6)


def test_an_outdated_etag_is_refused(estate: Estate) -> None:
    seen = write(estate, "etag", "10.0.0.4").result()
    write(estate, "etag", "10.0.0.4", "10.0.0.5", headers={"If-Match": seen.etag}).result()
    with pytest.raises(HttpResponseError) as caught:
        write(estate, "etag", headers={"If-Match": seen.etag})
    assert caught.value.status_code == 412
    assert len(behind(estate, "etag")) == 2


def test_an_update_that_fails_leaves_the_data_path_as_it_was(estate: Estate) -> None:
    write(estate, "half", "10.0.0.4").result()
    estate.world.disturbances.fail_operations(
        "network", "PUT applicationGateways", seconds=3, code="InternalServerError"
    )
    with pytest.raises(HttpResponseError) as caught:
        write(estate, "half", "10.0.0.9").result()
    assert caught.value.error.code == "InternalServerError"
    seen = estate.clients.network.application_gateways.get(GROUP, "half")
    assert seen.provisioning_state == "Failed"
    assert seen.backend_address_pools[0].backend_addresses[0].ip_address == "10.0.0.9"
    assert behind(estate, "half") == {"10.0.0.4": "registered"}
    write(estate, "half", "10.0.0.9").result()
    assert behind(estate, "half")["10.0.0.9"] == "registered"


def test_a_rule_that_leads_nowhere_is_refused(estate: Estate) -> None:
    body = gateway(estate, "gw")
    body["properties"]["requestRoutingRules"][0]["properties"]["backendAddressPool"] = {
        "id": f"{PLACE}/gw/backendAddressPools/x"
    }
    with pytest.raises(HttpResponseError) as caught:
        estate.clients.network.application_gateways.begin_create_or_update(GROUP, "gw", body, **WAIT)
    assert caught.value.error.code == "InvalidResourceReference"


def test_a_balancers_pool_is_a_resource_of_its_own(estate: Estate) -> None:
    network = estate.clients.network
    body = {
        "location": "westeurope",
        "sku": {"name": "Standard"},
        "properties": {
            "frontendIPConfigurations": [{"name": "front", "properties": {}}],
            "backendAddressPools": [{"name": "nodes"}],
        },
    }
    network.load_balancers.begin_create_or_update(GROUP, "ssh", body, **WAIT).result()
    lines = [{"name": "n0", "properties": {"ipAddress": "10.0.0.4"}}]
    pool = {"properties": {"loadBalancerBackendAddresses": lines}}
    pools = network.load_balancer_backend_address_pools
    pools.begin_create_or_update(GROUP, "ssh", "nodes", pool, **WAIT).result()
    seen = network.load_balancers.get(GROUP, "ssh").backend_address_pools[0]
    assert seen.load_balancer_backend_addresses[0].ip_address == "10.0.0.4"
    assert list(estate.world.backends.pools[seen.id.lower()]) == ["10.0.0.4"]
    pools.begin_create_or_update(GROUP, "ssh", "nodes", {"properties": {}}, **WAIT).result()
    estate.settle(1)
    assert estate.world.backends.pools[seen.id.lower()] == {}, "nobody says that flows to a removed address go on"


def test_an_address_that_is_down_drains_until_it_is_put_back(estate: Estate) -> None:
    network = estate.clients.network
    place = f"/subscriptions/{estate.world.subscription}/resourceGroups/{GROUP}/providers/Microsoft.Network"
    rule = {
        "protocol": "Tcp",
        "frontendPort": 7999,
        "backendPort": 7999,
        "backendAddressPool": {"id": f"{place}/loadBalancers/states/backendAddressPools/nodes"},
    }
    properties = {"backendAddressPools": [{"name": "nodes"}], "loadBalancingRules": [{"name": "r", "properties": rule}]}
    body = {"location": "westeurope", "sku": {"name": "Standard"}, "properties": properties}
    network.load_balancers.begin_create_or_update(GROUP, "states", body, **WAIT).result()
    pools, rules = network.load_balancer_backend_address_pools, network.load_balancer_load_balancing_rules

    def write(state: str) -> None:
        lines = [
            {"name": "n0", "properties": {"ipAddress": "10.0.0.4", "adminState": state}},
            {"name": "n1", "properties": {"ipAddress": "10.0.0.5"}},
        ]
        pool = {"properties": {"loadBalancerBackendAddresses": lines}}
        pools.begin_create_or_update(GROUP, "states", "nodes", pool, **WAIT).result()

    def registered() -> list[bool]:
        known = estate.world.backends.pools[f"{place}/loadBalancers/states/backendAddressPools/nodes".lower()]
        return [not known[address].draining for address in ("10.0.0.4", "10.0.0.5")]

    write("None")
    assert registered() == [True, True]
    write("Down")
    assert registered() == [False, True]
    estate.settle(7200)
    assert registered() == [False, True], "established connections persist for as long as they like"
    told = rules.begin_health(GROUP, "states", "r", **WAIT).result()
    assert {one.ip_address: one.state for one in told.load_balancer_backend_addresses}["10.0.0.4"] == "Down"
    write("None")
    assert registered() == [True, True]
    with pytest.raises(HttpResponseError):
        write("Drain")


def test_a_subnet_in_use_stays(estate: Estate) -> None:
    estate.scale_set("user", capacity=1)
    with pytest.raises(HttpResponseError) as caught:
        estate.clients.network.subnets.begin_delete(GROUP, "net", "nodes", **WAIT)
    assert caught.value.error.code == "InUseSubnetCannotBeDeleted"
    with pytest.raises(HttpResponseError):
        estate.clients.network.virtual_networks.begin_delete(GROUP, "net", **WAIT)


def test_a_subnet_of_its_own(estate: Estate) -> None:
    body = {"properties": {"addressPrefix": "10.0.1.0/24"}}
    estate.clients.network.subnets.begin_create_or_update(GROUP, "net", "extra", body, **WAIT).result()
    found = estate.clients.network.virtual_networks.get(GROUP, "net")
    assert sorted(one.name for one in found.subnets) == ["extra", "nodes"]


def test_public_addresses_are_plain_resources(estate: Estate) -> None:
    addresses = estate.clients.network.public_ip_addresses
    body = {"location": "westeurope", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    made = addresses.begin_create_or_update(GROUP, "front", body, **WAIT).result()
    assert (made.provisioning_state, made.public_ip_allocation_method) == ("Succeeded", "Static")
    addresses.begin_delete(GROUP, "front", **WAIT).result()
    assert list(addresses.list(GROUP)) == []
