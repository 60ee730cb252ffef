"""Manifests in the lab's blob storage, beyond the contract: which container, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from automation.adapters.azure.manifests import BlobManifests
from automation.adapters.azure.session import Azure
from automation.core.backups.sets import BackupSet, Mode, SetState
from automation.ports.errors import Forbidden, NotFound, Unexpected
from lab.azure.identities import Principal
from lab.azure.world import CLIENT, GROUP, SUBSCRIPTION, TENANT
from tests.contracts.safe_azure import ACCOUNT, CLUSTER, PLACE, azure_estate, session, store
from tests.lab.azure.estate import Estate


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    with azure_estate(tmp_path_factory.mktemp("manifests")) as made:
        yield made


@pytest.fixture
def azure(estate: Estate) -> Iterator[Azure]:
    with session(estate) as made:
        yield made


@pytest.fixture
def kept(estate: Estate) -> Iterator[str]:
    """A store; its account's name."""
    store(estate)
    yield ACCOUNT
    estate.send("DELETE", f"{PLACE}/Microsoft.Storage/storageAccounts/{ACCOUNT}")


def a_set(number: int = 1) -> BackupSet:
    return BackupSet(f"set-{number}", CLUSTER, Mode.LOCKED, SetState.PENDING, 1_700_000_000.0 + number)


def test_the_container_is_found_by_the_accounts_tag(azure: Azure, kept: str, estate: Estate) -> None:
    manifests = BlobManifests(azure.caller(), CLUSTER)
    manifests.write(a_set())
    assert manifests.place() == f"{estate.world.blobs.url}/{ACCOUNT}/backups/sets/{CLUSTER}/"
    assert manifests.read("set-1") == a_set()
    assert manifests.account() == (SUBSCRIPTION, "westeurope")
    assert manifests.calls == 4  # the accounts, the group, one blob written and read


def test_a_container_may_be_named(azure: Azure, kept: str, estate: Estate) -> None:
    url = f"{estate.world.blobs.url}/{ACCOUNT}/backups"
    BlobManifests(azure.caller(), CLUSTER).write(a_set())
    assert BlobManifests(azure.caller(), CLUSTER, url).all() == (a_set(),)
    with pytest.raises(NotFound):
        BlobManifests(azure.caller(), CLUSTER, f"{url}-not").write(a_set())


def test_no_store(azure: Azure) -> None:
    with pytest.raises(NotFound, match="no storage account for the manifests") as caught:
        BlobManifests(azure.caller(), CLUSTER).place()
    assert "pulumi up" in caught.value.hint


def test_several_stores_are_not_guessed_between(azure: Azure, kept: str, estate: Estate) -> None:
    store(estate, "bitbucketsecond")
    with pytest.raises(Unexpected, match="bitbucketbackups, bitbucketsecond"):
        BlobManifests(azure.caller(), CLUSTER).place()
    estate.send("DELETE", f"{PLACE}/Microsoft.Storage/storageAccounts/bitbucketsecond")


def test_another_clusters_store_is_not_ours(azure: Azure, estate: Estate) -> None:
    store(estate, "strangersstore", cluster="another")
    with pytest.raises(NotFound):
        BlobManifests(azure.caller(), CLUSTER).all()


def test_what_is_replaced_stays_as_a_version(azure: Azure, kept: str, estate: Estate) -> None:
    manifests = BlobManifests(azure.caller(), CLUSTER)
    for _ in range(3):
        manifests.write(a_set())
    manifests.remove("set-1")
    versions = estate.world.blobs.accounts[ACCOUNT].containers["backups"].blobs[f"sets/{CLUSTER}/set-1.json"]
    assert len(versions) == 3
    assert manifests.all() == ()


def test_rubbish_is_told_with_the_way_back(azure: Azure, kept: str, estate: Estate) -> None:
    manifests = BlobManifests(azure.caller(), CLUSTER)
    manifests.write(a_set())
    blob = estate.world.blobs.accounts[ACCOUNT].containers["backups"].blobs[f"sets/{CLUSTER}/set-1.json"][-1]
    for content in (b"\xff\xfe", b"[]", b"{}"):
        blob.content = content
        with pytest.raises(Unexpected, match="is no manifest of ours") as caught:
            manifests.read("set-1")
        assert "earlier versions" in caught.value.hint


def test_a_missing_role_is_named(kept: str, estate: Estate) -> None:
    before = estate.world.identities.principals[CLIENT]
    reader = Principal(CLIENT, TENANT, before.secret, actions=("*/read",))
    estate.world.identities.add(reader)
    with session(estate) as azure, pytest.raises(Forbidden) as caught:
        BlobManifests(azure.caller(), CLUSTER).write(a_set())
    estate.world.identities.add(before)
    assert "blob put sets/" in str(caught.value)


def test_a_resource_group_that_is_not_there(estate: Estate) -> None:
    with session(estate, group="nowhere") as azure, pytest.raises(NotFound):
        BlobManifests(azure.caller(), CLUSTER).account()
    assert GROUP in estate.world.groups
