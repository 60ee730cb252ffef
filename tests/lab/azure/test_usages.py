"""Quotas by size and family, what an identity may do, and what its writes may name."""

from __future__ import annotations

import pytest

from lab.azure import usages
from lab.azure.clients import Clients
from lab.azure.identities import Principal
from lab.azure.world import GROUP, GUEST_OBJECT, SUBSCRIPTION, TENANT
from tests.lab.azure.estate import WAIT, Estate

PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
AUTHORITY = f"{PLACE}/providers/Microsoft.Authorization"
VERSION = "?api-version=2022-04-01"
ROLE = "5e1f0000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("size", "cores", "family"),
    [
        ("Standard_D4s_v5", 4, "standardDSv5Family"),
        ("Standard_D16ads_v5", 16, "standardDADSv5Family"),
        ("Standard_E8-4ds_v4", 8, "standardEDSv4Family"),
        ("Standard_F2", 2, "standardFFamily"),
    ],
)
def test_a_size_counts_in_its_family(size: str, cores: int, family: str) -> None:
    assert usages.cores_of(size) == (cores, family)


def test_what_is_used_is_told_and_no_more_is_given(estate: Estate) -> None:
    limits = usages.of(estate.world).limits
    limits["standardDSv5Family"] = 8
    body = estate.model(capacity=3)
    place = f"{PLACE}/providers/Microsoft.Compute/virtualMachineScaleSets/full"
    refused = estate.call("PUT", place, body).json()["error"]
    limits.clear()
    assert refused["code"] == "OperationNotAllowed"
    assert "exceeding approved standardDSv5Family Cores quota" in refused["message"]
    lines = list(estate.clients.compute.usage.list("westeurope"))
    assert {"cores", "virtualMachines"} <= {line.name.value for line in lines}


def test_the_addresses_of_a_network_are_counted(estate: Estate) -> None:
    (line,) = estate.clients.network.virtual_networks.list_usage(GROUP, "net")
    assert line.id == estate.subnet
    assert line.limit == 251  # 256 without the four that Azure keeps and the last


def test_a_body_may_name_only_what_the_caller_may_use(estate: Estate) -> None:
    actions = ("*/read", "Microsoft.Compute/virtualMachineScaleSets/write")
    limited = estate.world.identities.add(Principal("limited", TENANT, "s", actions=actions))
    with Clients(estate.world, limited) as clients:
        token = clients.credential.get_token("https://management.azure.com/.default").token
    place = f"{PLACE}/providers/Microsoft.Compute/virtualMachineScaleSets/mine"
    answer = estate.call("PUT", place, estate.model(), token=token)
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "LinkedAuthorizationFailed"
    assert "'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s)" in error["message"]
    assert estate.subnet in error["message"]


def test_a_snapshot_needs_a_right_on_its_disk(estate: Estate) -> None:
    estate.disk("source")
    disk = f"{PLACE}/providers/Microsoft.Compute/disks/source"
    actions = ("*/read", "Microsoft.Compute/snapshots/write")
    limited = estate.world.identities.add(Principal("limited", TENANT, "s", actions=actions))
    body = {
        "location": "westeurope",
        "properties": {"creationData": {"createOption": "Copy", "sourceResourceId": disk}},
    }
    with Clients(estate.world, limited) as clients, pytest.raises(Exception, match="disks/beginGetAccess/action"):
        clients.compute.snapshots.begin_create_or_update(GROUP, "s", body, **WAIT)
    assert list(estate.clients.compute.snapshots.list_by_resource_group(GROUP)) == []


def test_a_role_of_ones_own_allows_what_it_says(estate: Estate) -> None:
    with Clients(estate.world, estate.world.guest) as clients:
        token = clients.credential.get_token("https://management.azure.com/.default").token
    permissions = f"{AUTHORITY}/permissions{VERSION}"
    assert estate.call("GET", PLACE, token=token).status_code == 403
    allowed = {"actions": ["Microsoft.Resources/*", "Microsoft.Authorization/*"], "notActions": ["*/delete"]}
    role = {"roleName": "ours", "assignableScopes": [PLACE], "permissions": [allowed]}
    definition = estate.send("PUT", f"{AUTHORITY}/roleDefinitions/{ROLE}{VERSION}", {"properties": role})
    given = {"principalId": GUEST_OBJECT, "roleDefinitionId": definition["id"]}
    estate.send("PUT", f"{AUTHORITY}/roleAssignments/{ROLE}{VERSION}", {"properties": given})
    assert estate.call("GET", PLACE, token=token).status_code == 200
    assert estate.call("DELETE", PLACE, token=token).status_code == 403
    (told,) = estate.call("GET", permissions, token=token).json()["value"]
    assert told["actions"] == allowed["actions"]
    assert told["notActions"] == ["*/delete"]
    named = f"{AUTHORITY}/roleDefinitions{VERSION}&$filter=roleName eq 'ours'"
    assert [one["name"] for one in estate.send("GET", named)["value"]] == [ROLE]
    estate.send("DELETE", f"{AUTHORITY}/roleAssignments/{ROLE}{VERSION}")


def test_who_asks_what_there_is_is_told(estate: Estate) -> None:
    assert [one["subscriptionId"] for one in estate.send("GET", "/subscriptions")["value"]] == [SUBSCRIPTION]
    assert [one["tenantId"] for one in estate.send("GET", "/tenants")["value"]] == [TENANT]
    provider = estate.send("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute")
    assert "virtualMachineScaleSets" in {one["resourceType"] for one in provider["resourceTypes"]}
    with Clients(estate.world, estate.world.guest) as clients:
        token = clients.credential.get_token("https://management.azure.com/.default").token
    assert estate.call("GET", "/subscriptions", token=token).json() == {"value": []}
