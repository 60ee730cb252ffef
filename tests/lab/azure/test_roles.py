"""Role assignments: of roles that there are, for good; what a machine's identity may do follows from them."""

from __future__ import annotations

import pytest

from lab.azure.errors import ArmError
from lab.azure.roles import machine_token
from lab.azure.world import GROUP, SUBSCRIPTION
from tests.lab.azure.estate import Estate

PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
READER, NOBODY = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "acdd72a7-3385-48ef-bd42-f606fba81ae8"
VERSION = "?api-version=2022-04-01"


def test_a_role_has_to_exist_and_an_assignment_stays_as_it_is(estate: Estate) -> None:
    place = f"{PLACE}/providers/Microsoft.Authorization/roleAssignments/one{VERSION}"
    body = {"properties": {"principalId": "p", "roleDefinitionId": f"{ROLES}/{NOBODY}"}}
    assert estate.call("PUT", place, body).json()["error"]["code"] == "RoleDefinitionDoesNotExist"
    body["properties"]["roleDefinitionId"] = f"{ROLES}/{READER}"
    assert estate.send("PUT", place, body)["properties"]["scope"] == PLACE
    body["properties"]["principalId"] = "q"
    assert estate.call("PUT", place, body).json()["error"]["code"] == "RoleAssignmentUpdateNotPermitted"
    estate.send("DELETE", place)


def test_a_machine_is_who_its_scale_set_says_and_may_what_is_assigned(estate: Estate) -> None:
    identity = f"{PLACE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
    made = estate.send("PUT", f"{identity}?api-version=2023-01-31", {"location": "westeurope"})
    given = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    estate.sets.begin_create_or_update(GROUP, "known", estate.model(capacity=1) | {"identity": given}, polling=False)
    estate.settle()
    (member,) = estate.members.list(GROUP, "known")
    machine = f"known_{member.instance_id}-1"
    world = estate.world
    with world.lock:
        found = machine_token(world, machine, "https://management.azure.com/", made["properties"]["clientId"])
        with pytest.raises(ArmError, match="Identity not found"):
            machine_token(world, machine, "https://management.azure.com/", "somebody-else")
    token = found["access_token"]
    assert estate.call("GET", PLACE, token=token).status_code == 403
    role = {"principalId": made["properties"]["principalId"], "roleDefinitionId": f"{ROLES}/{READER}"}
    place = f"{PLACE}/providers/Microsoft.Authorization/roleAssignments/two{VERSION}"
    estate.send("PUT", place, {"properties": role})
    assert estate.call("GET", PLACE, token=token).status_code == 200
    assert estate.call("DELETE", identity, token=token).status_code == 403
    estate.send("DELETE", place)
    assert estate.call("GET", PLACE, token=token).status_code == 403
