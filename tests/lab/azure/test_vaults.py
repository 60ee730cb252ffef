"""A contract: key vaults through the resource manager, secrets through azure-keyvault-secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient

from lab.azure.clients import Clients
from lab.azure.identities import Principal
from lab.azure.world import GROUP, SUBSCRIPTION, TENANT
from tests.lab.azure.estate import Estate

VAULT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.KeyVault/vaults/bb"


def client(estate: Estate, clients: Clients) -> SecretClient:
    url = estate.find("Microsoft.KeyVault/vaults", "bb").properties["vaultUri"]
    return SecretClient(url, clients.credential, verify_challenge_resource=False, transport=clients.transport())


@pytest.fixture(scope="module")
def secrets(estate: Estate) -> Iterator[SecretClient]:
    """The vault's client."""
    estate.send("PUT", VAULT, {"location": "westeurope", "properties": {"tenantId": TENANT}})
    with client(estate, estate.clients) as made:
        yield made


def test_a_secret_has_versions(secrets: SecretClient) -> None:
    first = secrets.set_secret("token", "one", tags={"for": "bitbucket"})
    secrets.set_secret("token", "two")
    assert secrets.get_secret("token").value == "two"
    assert secrets.get_secret("token", first.properties.version).value == "one"
    assert len(list(secrets.list_properties_of_secret_versions("token"))) == 2
    assert [one.name for one in secrets.list_properties_of_secrets()] == ["token"]


def test_a_secret_that_is_not_there(secrets: SecretClient) -> None:
    with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
        secrets.get_secret("nothing")


def test_a_deleted_name_is_free_once_it_is_purged(secrets: SecretClient) -> None:
    secrets.set_secret("gone", "x")
    secrets.begin_delete_secret("gone").wait()
    with pytest.raises(ResourceExistsError):
        secrets.set_secret("gone", "y")
    secrets.purge_deleted_secret("gone")
    assert secrets.set_secret("gone", "y").value == "y"


def test_a_secret_written_through_the_resource_manager(estate: Estate, secrets: SecretClient) -> None:
    made = estate.send("PUT", f"{VAULT}/secrets/password", {"properties": {"value": "hidden"}})
    assert "hidden" not in str(made)
    assert secrets.get_secret("password").value == "hidden"


def test_who_may_not_read(estate: Estate, secrets: SecretClient) -> None:
    secrets.set_secret("mine", "x")
    reader = estate.world.identities.add(
        Principal("vault-reader", TENANT, "s", actions=("Microsoft.KeyVault/vaults/read",))
    )
    with (
        Clients(estate.world, reader) as clients,
        client(estate, clients) as other,
        pytest.raises(HttpResponseError) as caught,
    ):
        other.get_secret("mine")
    assert caught.value.status_code == 403
