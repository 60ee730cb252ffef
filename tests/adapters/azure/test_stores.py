"""Credentials in a key vault, and the installation archive where the scale set's nodes fetch it."""

from __future__ import annotations

import base64

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


def test_a_tag_of_the_scale_set_says_where_the_archive_is_before_its_script_does(rolling: Rolling) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200)

    script = b"BITBUCKET_VERSION='7.9.0'\nARCHIVE_URL='https://script.example.com/b-7.9.0.tgz'\n"
    data = {"virtualMachineProfile": {"userData": base64.b64encode(script).decode()}}
    tags = {"bitbucket-dc:archive-url": "https://tag.example.com/b-{version}.tgz"}
    sets = rolling.hands.estate.sets
    sets.begin_update(GROUP, SET, {"properties": data, "tags": sets.get(GROUP, SET).tags | tags}, **WAIT).result()
    http = Http(transport=httpx.MockTransport(answer))
    assert AzureArchive(rolling.session.caller(), CLUSTER, http).problem("7.9.4") is None
    http.close()
    assert seen == ["https://tag.example.com/b-7.9.4.tgz"]
