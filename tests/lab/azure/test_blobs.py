"""A contract: blobs through azure-storage-blob, with a key and with a role."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, ContainerClient

from lab.azure.clients import Clients
from lab.azure.identities import Principal
from lab.azure.world import GROUP, SUBSCRIPTION, TENANT
from tests.lab.azure.estate import Estate

ACCOUNT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/bbmanifests"
)


def service(estate: Estate, credential: object, clients: Clients | None = None, **options: object) -> BlobServiceClient:
    place = estate.find("Microsoft.Storage/storageAccounts", "bbmanifests").properties["primaryEndpoints"]["blob"]
    transport = (clients or estate.clients).transport()
    return BlobServiceClient(place, credential=credential, transport=transport, **options)


@pytest.fixture(scope="module")
def key(estate: Estate) -> str:
    """An account with versions; its key."""
    body = {"location": "westeurope", "sku": {"name": "Standard_ZRS"}, "kind": "StorageV2", "properties": {}}
    estate.send("PUT", ACCOUNT, body)
    estate.send("PUT", f"{ACCOUNT}/blobServices/default", {"properties": {"isVersioningEnabled": True}})
    estate.send("PUT", f"{ACCOUNT}/blobServices/default/containers/manifests", {"properties": {}})
    return str(estate.send("POST", f"{ACCOUNT}/listKeys")["keys"][0]["value"])


@pytest.fixture
def manifests(estate: Estate, key: str) -> Iterator[ContainerClient]:
    """A container, reached with the account's key."""
    with service(estate, {"account_name": "bbmanifests", "account_key": key}) as made:
        yield made.get_container_client("manifests")


def test_a_blob_goes_in_and_comes_out(manifests: ContainerClient) -> None:
    manifests.upload_blob("sets/a b+ü.json", b'{"id": 1}', metadata={"set": "1"})
    blob = manifests.get_blob_client("sets/a b+ü.json")
    assert blob.download_blob().readall() == b'{"id": 1}'
    seen = blob.get_blob_properties()
    assert (seen.size, seen.metadata, seen.content_settings.content_type) == (
        9,
        {"set": "1"},
        "application/octet-stream",
    )
    manifests.upload_blob("empty", b"")
    assert manifests.download_blob("empty").readall() == b""


def test_a_large_blob_goes_in_blocks(estate: Estate, key: str) -> None:
    small = {
        "max_single_put_size": 1024,
        "max_block_size": 1024,
        "max_single_get_size": 1024,
        "max_chunk_get_size": 1024,
    }
    content = bytes(range(256)) * 20
    with service(estate, {"account_name": "bbmanifests", "account_key": key}, **small) as made:
        blob = made.get_blob_client("manifests", "large")
        blob.upload_blob(content)
        assert blob.download_blob().readall() == content


def test_blobs_are_not_written_over_by_accident(manifests: ContainerClient) -> None:
    made = manifests.upload_blob("once", b"1")
    with pytest.raises(ResourceExistsError):
        manifests.upload_blob("once", b"2")
    seen = made.get_blob_properties().etag
    same = {"etag": seen, "match_condition": MatchConditions.IfNotModified, "overwrite": True}
    manifests.upload_blob("once", b"2", **same)
    with pytest.raises(ResourceModifiedError):
        manifests.upload_blob("once", b"3", **same)
    assert manifests.download_blob("once").readall() == b"2"


def test_versions_stay(manifests: ContainerClient) -> None:
    first = manifests.get_blob_client("kept").upload_blob(b"1")["version_id"]
    manifests.upload_blob("kept", b"2", overwrite=True)
    manifests.delete_blob("kept")
    with pytest.raises(ResourceNotFoundError):
        manifests.download_blob("kept")
    assert manifests.get_blob_client("kept", version_id=first).download_blob().readall() == b"1"
    found = list(manifests.list_blobs(name_starts_with="kept", include=["versions"]))
    assert [(one.name, bool(one.is_current_version)) for one in found] == [("kept", False), ("kept", False)]
    assert list(manifests.list_blobs(name_starts_with="kept")) == []


def test_listing_in_pages_and_in_folders(manifests: ContainerClient) -> None:
    for name in ("p/1/a", "p/1/b", "p/2/c", "p/d"):
        manifests.upload_blob(name, name.encode())
    pages = manifests.list_blobs(name_starts_with="p/", results_per_page=3).by_page()
    assert [[one.name for one in page] for page in pages] == [["p/1/a", "p/1/b", "p/2/c"], ["p/d"]]
    assert [one.name for one in manifests.walk_blobs("p/")] == ["p/1/", "p/2/", "p/d"]


def test_containers(estate: Estate, key: str) -> None:
    with service(estate, {"account_name": "bbmanifests", "account_key": key}) as made:
        made.create_container("extra")
        with pytest.raises(ResourceExistsError):
            made.create_container("extra")
        assert [one.name for one in made.list_containers()] == ["extra", "manifests"]
        made.delete_container("extra")
        with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
            made.get_container_client("extra").get_container_properties()


def test_a_wrong_key(estate: Estate, key: str) -> None:
    wrong = {"account_name": "bbmanifests", "account_key": key[::-1].replace("=", "") + "=="}
    with service(estate, wrong) as made, pytest.raises(ClientAuthenticationError, match="AuthenticationFailed"):
        list(made.list_containers())


def test_with_a_role(estate: Estate, key: str) -> None:
    actions = ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",)
    reader = estate.world.identities.add(Principal("blob-reader", TENANT, "s", actions=actions))
    with service(estate, estate.clients.credential) as made:
        made.get_blob_client("manifests", "mine").upload_blob(b"x")
    with Clients(estate.world, reader) as clients, service(estate, clients.credential, clients) as other:
        blob = other.get_blob_client("manifests", "mine")
        assert blob.download_blob().readall() == b"x"
        with pytest.raises(HttpResponseError, match="AuthorizationPermissionMismatch"):
            blob.delete_blob()


def test_an_account_keeps_its_name(estate: Estate, key: str) -> None:
    for name, status in (("Bad-Name", 400), ("bbmanifests", 200)):
        made = estate.call("PUT", ACCOUNT.replace("bbmanifests", name), {"location": "westeurope", "properties": {}})
        assert made.status_code == status
