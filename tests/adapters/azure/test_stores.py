"""Credentials in a key vault, and the installation archive where the scale set's nodes fetch it."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest
from azure.keyvault.secrets import SecretClient

from automation.adapters.azure.archive import AzureArchive
from automation.adapters.azure.secrets import reader
from automation.adapters.http import Http
from automation.ports.errors import NotFound, Refused
from lab.azure.world import GROUP, TENANT
from tests.adapters.azure.roll_world import Rolling
from tests.contracts.azure_estate import CLUSTER, SET, WAIT

ACCOUNT = "bbarchives"


@pytest.fixture
def vault(rolling: Rolling) -> str:
    """A vault with two secrets; its address."""
    estate = rolling.hands.estate
    place = estate.id("Microsoft.KeyVault/vaults", "bb")
    estate.send(
        "PUT", f"{place}?api-version=2023-07-01", {"location": "westeurope", "properties": {"tenantId": TENANT}}
    )
    url = str(rolling.hands.world.resources.get(place).properties["vaultUri"]).rstrip("/")
    credential, transport = estate.clients.credential, estate.clients.transport()
    with SecretClient(url, credential, verify_challenge_resource=False, transport=transport) as secrets:
        secrets.set_secret("token", "tok-hunter22")
        secrets.set_secret("admin", '{"user": "admin", "password": "hunter22"}')
    return url


def test_a_secret_and_a_part_of_one(rolling: Rolling, vault: str) -> None:
    caller = rolling.session.caller()
    assert reader(caller, f"{vault}/token") == "tok-hunter22"
    assert reader(caller, f"{vault}/admin#password") == "hunter22"
    assert caller.calls >= 2


@pytest.mark.parametrize("name", ["nothing", "admin#nothing"])
def test_a_secret_that_is_not_there(rolling: Rolling, vault: str, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        reader(rolling.session.caller(), f"{vault}/{name}")
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("reference", ["token", "/token", "vault/"])
def test_a_reference_without_a_vault_or_a_name(rolling: Rolling, reference: str) -> None:
    with pytest.raises(Refused, match="VAULT/SECRET"):
        reader(rolling.session.caller(), reference)


@pytest.fixture
def asked() -> Iterator[tuple[list[str], Http]]:
    """What is asked over HTTP, and the client that asks."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200)

    http = Http(transport=httpx.MockTransport(answer))
    yield seen, http
    http.close()


def test_the_archive_is_where_the_settings_say(rolling: Rolling, asked: tuple[list[str], Http]) -> None:
    seen, http = asked
    archive = AzureArchive(rolling.session.caller(), CLUSTER, http, "https://mirror.example.com/b-{version}.tgz")
    assert archive.problem("7.9.4") is None
    assert seen == ["https://mirror.example.com/b-7.9.4.tgz"]


def test_the_archive_is_where_the_scale_set_says(rolling: Rolling, asked: tuple[list[str], Http]) -> None:
    seen, http = asked
    script = b"BITBUCKET_VERSION='7.9.0'\nARCHIVE_URL='https://script.example.com/b-7.9.0.tgz'\n"
    data = {"virtualMachineProfile": {"userData": base64.b64encode(script).decode()}}
    rolling.hands.estate.sets.begin_update(GROUP, SET, {"properties": data}, **WAIT).result()
    archive = AzureArchive(rolling.session.caller(), CLUSTER, http)
    archive.problem("7.9.4")
    tags = rolling.hands.estate.sets.get(GROUP, SET).tags
    tagged = tags | {"bitbucket-dc:archive-url": "https://tag.example.com/b-{version}.tgz"}
    rolling.hands.estate.sets.begin_update(GROUP, SET, {"tags": tagged}, **WAIT).result()
    archive.problem("7.9.4")
    assert seen == ["https://script.example.com/b-7.9.4.tgz", "https://tag.example.com/b-7.9.4.tgz"]


def test_an_archive_in_a_private_blob_is_asked_for_with_our_identity(
    rolling: Rolling, asked: tuple[list[str], Http]
) -> None:
    estate = rolling.hands.estate
    place = estate.id("Microsoft.Storage/storageAccounts", ACCOUNT)
    body = {"location": "westeurope", "sku": {"name": "Standard_ZRS"}, "kind": "StorageV2", "properties": {}}
    estate.send("PUT", f"{place}?api-version=2023-05-01", body)
    estate.send("PUT", f"{place}/blobServices/default?api-version=2023-05-01", {"properties": {}})
    estate.send("PUT", f"{place}/blobServices/default/containers/dist?api-version=2023-05-01", {"properties": {}})
    url = str(rolling.hands.world.resources.get(place).properties["primaryEndpoints"]["blob"]).rstrip("/")
    caller = rolling.session.caller()
    archive = AzureArchive(caller, CLUSTER, asked[1])
    problem = archive._in_blob(f"{url}/dist/b-7.9.4.tgz")
    assert problem is not None
    assert problem.name == "archive_unreachable"
    from azure.storage.blob import BlobClient  # noqa: PLC0415 - for this alone

    with BlobClient.from_blob_url(
        f"{url}/dist/b-7.9.4.tgz", credential=estate.clients.credential, transport=estate.clients.transport()
    ) as blob:
        blob.upload_blob(b"archive")
    assert archive._in_blob(f"{url}/dist/b-7.9.4.tgz") is None
    assert caller.calls >= 2
