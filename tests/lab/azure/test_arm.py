"""The resource manager itself: any type as plain JSON, versions, pages, operations, groups; and how quick it is."""

from __future__ import annotations

import json
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.aws.plain import PlainMachines
from lab.azure.clients import Clients
from lab.azure.ports import ManualClock
from lab.azure.world import GROUP, SUBSCRIPTION, AzureWorld
from tests.lab.azure.estate import WAIT, Estate

PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
JOB = f"{PLACE}/Microsoft.Web/sites/snapshots"


def test_any_type_is_kept_as_it_is(estate: Estate) -> None:
    body = {"location": "West Europe", "tags": {"a": "b"}, "properties": {"schedule": "0 * * * *"}}
    assert estate.call("PUT", JOB, body).status_code == 201
    assert estate.call("PUT", JOB, body).status_code == 200
    seen = estate.send("GET", JOB)
    assert seen["properties"] == {"schedule": "0 * * * *", "provisioningState": "Succeeded"}
    assert (seen["id"], seen["name"], seen["type"], seen["location"]) == (
        JOB,
        "snapshots",
        "Microsoft.Web/sites",
        "westeurope",
    )
    estate.send("PATCH", JOB, {"tags": {"c": "d"}, "properties": {"more": 1}})
    assert estate.send("GET", JOB.upper())["tags"] == {"c": "d"}
    for listing in (f"{PLACE}/Microsoft.Web/sites", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Web/sites"):
        assert [one["name"] for one in estate.send("GET", listing)["value"]] == ["snapshots"]
    assert estate.call("DELETE", JOB).status_code == 200
    assert estate.call("DELETE", JOB).status_code == 204
    assert estate.call("GET", JOB).status_code == 404


def test_a_resource_that_extends_another(estate: Estate) -> None:
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    role = f"{scope}/providers/Microsoft.Authorization/roleAssignments/5d1a"
    reader = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    estate.send("PUT", role, {"properties": {"principalId": "p", "roleDefinitionId": reader}})
    assert estate.send("GET", role)["type"] == "Microsoft.Authorization/roleAssignments"
    estate.send("DELETE", role)


def test_pages(estate: Estate) -> None:
    estate.world.page_size = 2
    for number in range(5):
        estate.disk(f"page{number}")
    assert [one.name for one in estate.clients.compute.disks.list_by_resource_group(GROUP)] == [
        f"page{n}" for n in range(5)
    ]
    estate.world.page_size = 50


COMPUTE, NETWORK = f"{PLACE}/Microsoft.Compute", f"{PLACE}/Microsoft.Network"
NOWHERE = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/operations/{'0' * 8}"
WRONG: dict[str, tuple[str, str, int, str]] = {
    "no version": ("GET", f"{JOB}?x=1", 400, "MissingApiVersionParameter"),
    "no such version": ("GET", f"{JOB}?api-version=1", 400, "InvalidApiVersionParameter"),
    "not served": ("GET", f"{COMPUTE}/disks/d?api-version=2031-01-01", 400, "NoRegisteredProviderFound"),
    "no such action": ("POST", f"{COMPUTE}/disks/page0/explode", 404, "InvalidResourceType"),
    "no parent": ("PUT", f"{NETWORK}/virtualNetworks/x/subnets/y", 404, "ParentResourceNotFound"),
    "no location": ("PUT", f"{PLACE}/Microsoft.KeyVault/vaults/v", 400, "LocationRequired"),
    "no operation": ("GET", f"{NOWHERE}-0000-4000-8000-000000000000", 404, "NotFound"),
}


@pytest.mark.parametrize(("method", "path", "status", "code"), WRONG.values(), ids=WRONG)
def test_what_is_refused(estate: Estate, method: str, path: str, status: int, code: str) -> None:
    answer = estate.call(method, path, {} if method != "GET" else None)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_body_that_is_no_json(estate: Estate) -> None:
    answer = estate.call("PUT", JOB, content=b"{")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_an_operation_is_told_in_both_ways(estate: Estate) -> None:
    set_of_one = estate.model(capacity=1)
    path = f"{PLACE}/Microsoft.Compute/virtualMachineScaleSets/told"
    first = estate.call("PUT", path, set_of_one)
    assert first.status_code == 201
    assert first.json()["properties"]["provisioningState"] == "Creating"
    assert first.headers["Retry-After"] == "1"
    url = first.headers["Azure-AsyncOperation"]
    assert estate.call("GET", url).json()["status"] == "InProgress"
    estate.settle(5)
    assert estate.call("GET", url).json()["status"] == "Succeeded"
    gone = estate.call("POST", f"{path}/restart", {})
    assert gone.status_code == 202
    assert estate.call("GET", gone.headers["Location"]).status_code == 202
    estate.settle(5)
    assert estate.call("GET", gone.headers["Location"]).status_code == 204


def test_an_operation_goes_on_in_another_client(estate: Estate) -> None:
    estate.scale_set("resumed", capacity=1)
    token = estate.members.begin_reimage(GROUP, "resumed", "0", polling_interval=1).continuation_token()
    with Clients(estate.world) as clients:
        members = clients.compute.virtual_machine_scale_set_vms
        members.begin_reimage(GROUP, "resumed", "0", continuation_token=token, **WAIT).result()
    assert "resumed_0-2" in estate.machines.specs


def test_groups(estate: Estate) -> None:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/extra"
    assert estate.call("PUT", group, {"location": "westeurope"}).status_code == 201
    assert [one["name"] for one in estate.send("GET", f"/subscriptions/{SUBSCRIPTION}/resourcegroups")["value"]] == [
        GROUP,
        "extra",
    ]
    estate.send("PUT", f"{group}/providers/Microsoft.Web/sites/j", {"location": "westeurope"})
    assert [one["name"] for one in estate.send("GET", f"{group}/resources")["value"]] == ["j"]
    assert estate.call("DELETE", group).status_code == 409
    estate.send("DELETE", f"{group}/providers/Microsoft.Web/sites/j")
    assert estate.call("DELETE", group).status_code == 200
    assert estate.send("GET", f"/subscriptions/{SUBSCRIPTION}")["state"] == "Enabled"


def test_nobody_is_let_in_without_a_token(estate: Estate) -> None:
    answer = estate.call("GET", JOB, token="")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AuthenticationFailed")
    assert estate.call("GET", JOB, token="guessed").json()["error"]["code"] == "InvalidAuthenticationToken"


def test_a_client_that_does_not_trust_the_lab(estate: Estate) -> None:
    host, port = estate.world.url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port))) as plain, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    assert estate.send("GET", f"/subscriptions/{SUBSCRIPTION}")["state"] == "Enabled"


def test_the_world_ends_although_somebody_says_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    with AzureWorld(PlainMachines(tmp_path / "machines", clock), tmp_path / "tls", clock=clock) as world:
        host, port = world.url.removeprefix("https://").split(":")
        silent = socket.create_connection((host, int(port)))
        with Clients(world) as clients:
            assert list(clients.compute.disks.list()) == []
    with silent:
        assert silent.recv(1) == b""


def test_the_key_is_its_owners_only(estate: Estate) -> None:
    assert estate.world.certificates.key.stat().st_mode & 0o777 == 0o600


def test_many_at_a_time(estate: Estate) -> None:
    def write(number: int) -> Any:
        return estate.send("PUT", f"{PLACE}/Microsoft.Web/sites/j{number}", {"location": "westeurope"})["name"]

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, range(40))) == sorted(f"j{number}" for number in range(40))
    assert len(estate.send("GET", f"{PLACE}/Microsoft.Web/sites")["value"]) == 40


def test_an_answer_leaves_in_one_write(estate: Estate) -> None:
    """Two writes would wait 40 ms for each other; one write is one record of TLS, and one record is read at a time."""
    host, port = estate.world.url.removeprefix("https://").split(":")
    trust = ssl.create_default_context(cafile=str(estate.world.certificates.authority))
    with socket.create_connection((host, int(port))) as plain, trust.wrap_socket(plain, server_hostname=host) as link:
        link.sendall(f"GET /metadata/endpoints HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head, _, content = link.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(content)["resourceManager"] == estate.world.url


def test_fractions_of_a_second_have_a_header_of_their_own(estate: Estate) -> None:
    """The SDKs read Retry-After as a whole number."""
    estate.world.timings, usual = replace(estate.world.timings, retry_after=0.25, model=0.6), estate.world.timings
    before = estate.clock.now()
    estate.scale_set("fraction", capacity=0)
    estate.world.timings = usual
    assert estate.clock.now() - before == 0.75
