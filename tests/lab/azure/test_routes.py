"""What stands behind the gateway and the balancer reaches the lab's own balancer as a table that it accepts."""

from __future__ import annotations

from lab.azure.routes import Routes
from lab.azure.world import GROUP, SUBSCRIPTION
from lab.balancer.table import Protocol, Registration, parse_table
from tests.lab.azure.estate import WAIT, Estate
from tests.lab.azure.test_network import PLACE, gateway, write

SSH = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/loadBalancers/ssh"


def test_the_table(estate: Estate) -> None:
    routes = Routes(estate.world, 8080, 2222, 1.0)
    assert routes.read() == {"version": 1, "tempo": 1.0, "listeners": [], "groups": []}
    body = gateway(estate, "gw", "10.0.0.4", "10.0.0.5")
    settings = body["properties"]["backendHttpSettingsCollection"][0]["properties"]
    settings |= {"cookieBasedAffinity": "Enabled", "requestTimeout": 300, "probe": {"id": f"{PLACE}/gw/probes/status"}}
    probe = {"protocol": "Http", "path": "/status", "interval": 5, "timeout": 2, "unhealthyThreshold": 2}
    body["properties"]["probes"] = [{"name": "status", "properties": probe}]
    estate.clients.network.application_gateways.begin_create_or_update(GROUP, "gw", body, **WAIT).result()
    rule = {
        "frontendPort": 22,
        "backendPort": 7999,
        "protocol": "Tcp",
        "backendAddressPool": {"id": f"{SSH}/backendAddressPools/nodes"},
    }
    nodes = {"loadBalancerBackendAddresses": [{"name": "n", "properties": {"ipAddress": "10.0.0.4"}}]}
    balancer = {
        "location": "westeurope",
        "properties": {
            "backendAddressPools": [{"name": "nodes", "properties": nodes}],
            "loadBalancingRules": [{"name": "git", "properties": rule}],
        },
    }
    estate.clients.network.load_balancers.begin_create_or_update(GROUP, "ssh", balancer, **WAIT).result()
    table = parse_table(routes.read())
    assert [(one.name, one.port, one.idle_timeout) for one in table.listeners] == [
        ("http", 8080, 300),
        ("ssh", 2222, 240),
    ]
    http, ssh = table.groups
    assert http.stickiness is not None
    assert (http.health.path, http.health.interval, http.health.unhealthy) == ("/status", 5, 2)
    assert [(one.host, one.port, one.state) for one in http.targets] == [
        ("10.0.0.4", 7990, Registration.REGISTERED),
        ("10.0.0.5", 7990, Registration.REGISTERED),
    ]
    assert (ssh.protocol, ssh.health.path, ssh.targets[0].port) == (Protocol.TCP, None, 7999)
    again = routes.read()["version"]
    assert again == table.version
    write(estate, "gw", "10.0.0.5").result()
    changed = parse_table(routes.wait(again, 1))
    assert {one.host: one.state for one in changed.groups[0].targets}["10.0.0.4"] == Registration.DRAINING
