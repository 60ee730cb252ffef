"""Signing in and being let in: wrong tenants, secrets and roles are refused in Azure's words."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential, EnvironmentCredential

from lab.azure.clients import Clients
from lab.azure.identities import Principal
from lab.azure.world import CLIENT, GROUP, TENANT
from tests.lab.azure.estate import WAIT, Estate

SCOPE = "https://management.azure.com/.default"


def sign_in(estate: Estate, **changed: str) -> str:
    who = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": estate.world.principal.secret} | changed
    with ClientSecretCredential(
        **who, authority=estate.world.url, disable_instance_discovery=True, transport=estate.clients.transport()
    ) as credential:
        return credential.get_token(SCOPE).token


def test_the_environment_is_enough_to_sign_in(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in estate.world.environment().items():
        monkeypatch.setenv(name, value)
    with EnvironmentCredential(disable_instance_discovery=True) as credential:
        assert credential.get_token(SCOPE).token


WRONG = {
    "tenant": ({"tenant_id": "0badc0de-0000-4000-8000-000000000000"}, "AADSTS90002|Unable to get authority"),
    "client": ({"client_id": "0badc0de-0000-4000-8000-000000000000"}, "AADSTS700016"),
    "secret": ({"client_secret": "guessed"}, "AADSTS7000215"),
}


@pytest.mark.parametrize(("changed", "words"), WRONG.values(), ids=WRONG)
def test_wrong_credentials(estate: Estate, changed: dict[str, str], words: str) -> None:
    with pytest.raises((ClientAuthenticationError, ValueError), match=words):
        sign_in(estate, **changed)


def test_an_expired_secret(estate: Estate) -> None:
    estate.world.identities.add(Principal("expired", TENANT, "s", expires=estate.clock.now() - 1))
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000222"):
        sign_in(estate, client_id="expired", client_secret="s")


def refused(clients: Clients, call: Any) -> HttpResponseError:
    with clients, pytest.raises(HttpResponseError) as caught:
        call(clients.compute)
    return caught.value


def test_a_missing_role_is_named_with_its_scope_and_nothing_changes(estate: Estate) -> None:
    scope = f"/subscriptions/{estate.world.subscription}/resourceGroups/{GROUP}"
    reader = estate.world.identities.add(Principal("reader", TENANT, "s", actions=("*/read",), scopes=(scope,)))
    body = {"location": "westeurope", "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 8}}
    with Clients(estate.world, reader) as clients:
        assert list(clients.compute.disks.list_by_resource_group(GROUP)) == []
        error = refused(clients, lambda compute: compute.disks.begin_create_or_update(GROUP, "d", body, **WAIT))
    assert (error.status_code, error.error.code) == (403, "AuthorizationFailed")
    assert "'Microsoft.Compute/disks/write'" in str(error)
    assert f"{scope}/providers/Microsoft.Compute/disks/d" in str(error)
    assert list(estate.clients.compute.disks.list()) == []


def test_the_action_of_a_post_is_named(estate: Estate) -> None:
    reader = estate.world.identities.add(Principal("reader", TENANT, "s", actions=("*/read",)))
    error = refused(
        Clients(estate.world, reader),
        lambda compute: compute.virtual_machine_scale_set_vms.begin_run_command(
            GROUP, "bb", "0", {"commandId": "RunShellScript"}, **WAIT
        ),
    )
    assert "'Microsoft.Compute/virtualMachineScaleSets/virtualMachines/runCommand/action'" in str(error)


@pytest.mark.parametrize(
    ("subscription", "status", "code"),
    [("0badc0de-0000-4000-8000-000000000000", 404, "SubscriptionNotFound"), ("lab", 400, "InvalidSubscriptionId")],
)
def test_a_subscription_that_does_not_exist(estate: Estate, subscription: str, status: int, code: str) -> None:
    error = refused(Clients(estate.world, subscription=subscription), lambda compute: list(compute.disks.list()))
    assert (error.status_code, error.error.code) == (status, code)


def test_a_tenant_that_does_not_own_the_subscription(estate: Estate) -> None:
    stranger = estate.world.identities.add(Principal("stranger", "another-tenant", "s"))
    error = refused(Clients(estate.world, stranger), lambda compute: list(compute.disks.list()))
    assert (error.status_code, error.error.code) == (401, "InvalidAuthenticationTokenTenant")


def test_a_group_that_does_not_exist(estate: Estate) -> None:
    with pytest.raises(HttpResponseError) as caught:
        estate.clients.compute.disks.get("elsewhere", "d")
    assert (caught.value.status_code, caught.value.error.code) == (404, "ResourceGroupNotFound")
