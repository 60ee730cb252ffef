"""The rights that the reference page names are enough for sets and drills, and each missing one is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from automation.adapters.azure.database import AzureDatabase
from automation.adapters.azure.disks import AzureDisks
from automation.adapters.azure.drills import AzureDrills
from automation.adapters.azure.manifests import BlobManifests
from automation.adapters.azure.session import Azure
from automation.adapters.azure.shell import AzureShell
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, SetState
from automation.core.restores.drills import DrillSettings
from automation.engine.restores.drill import Ground, drill
from automation.ports.errors import Forbidden
from automation.ports.vaults import Destination
from lab.azure.identities import Principal
from lab.azure.world import CLIENT, TENANT
from tests.adapters.azure.drilling import Drilling
from tests.contracts.safe_azure import CLUSTER, ELSEWHERE, key, machine, store

PAGE = Path(__file__).parents[3] / "docs/reference/permissions.md"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"
SETTINGS = DrillSettings(sample=1, ready_timeout=300.0, check_timeout=60.0, close_timeout=300.0, poll=2.0)


def named(*headings: str) -> tuple[str, ...]:
    """Return the actions in the tables under these headings."""
    parts = re.split(r"^#+ ", PAGE.read_text(), flags=re.MULTILINE)
    tables = [part for part in parts if part.partition("\n")[0] in headings]
    assert len(tables) == len(headings)
    return tuple(re.findall(r"`(Microsoft\.[^`]+)`", " ".join(tables)))


READS = ("Microsoft.Compute/virtualMachineScaleSets/*", "Microsoft.Compute/locations/operations/read")
BACKUPS = named("Backups on Azure")
DRILLS = named("Restores and drills on Azure")


@pytest.fixture(scope="module")
def drilling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Drilling, Azure, BackupSet]]:
    made = Drilling(tmp_path_factory.mktemp("rights"))
    with made.serving() as (azure, found):
        store(made.estate)
        machine(made.estate, "mesh-0", "mesh", ("mesh-0", "mesh-1"))
        made.sleep(5)
        yield made, azure, found


@pytest.fixture
def limited(drilling: tuple[Drilling, Azure, BackupSet]) -> Iterator[Drilling]:
    made, _, _ = drilling
    before = made.world.identities.principals[CLIENT]
    yield made
    made.world.identities.add(before)


def allow(lab: Drilling, *actions: str) -> None:
    secret = lab.world.identities.principals[CLIENT].secret
    lab.world.identities.add(Principal(CLIENT, TENANT, secret, actions=(BLOBS, *READS, *actions)))


def test_a_set_is_taken_copied_and_removed(drilling: tuple[Drilling, Azure, BackupSet], limited: Drilling) -> None:
    _, azure, found = drilling
    to = Destination(ELSEWHERE, key(limited.estate, ELSEWHERE))
    allow(limited, *BACKUPS)
    vaults = (AzureDisks(azure.caller(), CLUSTER), AzureDatabase(azure.caller(), CLUSTER))
    new = BackupSet("20261121-120000-000", CLUSTER, found.mode, SetState.PENDING, limited.now(), expected=("a", "b"))
    for vault in vaults:
        begun = vault.begin(new, vault.sources())
        limited.sleep(5)
        for one in begun:
            vault.label(one, SetState.COMPLETE)
    originals = vaults[0].snapshots(new.id)
    assert len(originals) == 3
    for one in originals:
        vaults[0].copy(one, to, labels.of_set(new))
    limited.sleep(30)
    copies = vaults[0].copied(new.id, to)
    manifests = BlobManifests(azure.caller(), CLUSTER)
    manifests.write(new)
    for one in (*copies, *originals, *vaults[1].snapshots(new.id)):
        next(vault for vault in vaults if vault.kind is one.kind).delete(one)
    assert [each.id for each in manifests.all()] == [new.id]
    manifests.remove(new.id)
    assert manifests.account()[1] == "westeurope"


def test_a_set_is_drilled(drilling: tuple[Drilling, Azure, BackupSet], limited: Drilling) -> None:
    _, azure, found = drilling
    allow(limited, *BACKUPS, *DRILLS)
    manifests = BlobManifests(azure.caller(), CLUSTER)
    manifests.write(found)
    drills = AzureDrills(azure.caller(), CLUSTER)
    ground = Ground(limited, drills, AzureShell(azure.caller(), CLUSTER), manifests)
    assert drill(ground, SETTINGS, found.id).was_drilled
    assert drills.leftovers() == ()


def test_a_missing_right_on_blobs_is_named(drilling: tuple[Drilling, Azure, BackupSet], limited: Drilling) -> None:
    _, azure, _ = drilling
    secret = limited.world.identities.principals[CLIENT].secret
    limited.world.identities.add(Principal(CLIENT, TENANT, secret, actions=BACKUPS))
    with pytest.raises(Forbidden, match="blobs/read on https://") as caught:
        BlobManifests(azure.caller(), CLUSTER).all()
    assert caught.value.right == f"{BLOBS.removesuffix('*')}read"


@pytest.mark.parametrize(
    "missing",
    [
        "Microsoft.Compute/snapshots/write",
        "Microsoft.Compute/restorePointCollections/restorePoints/write",
        "Microsoft.Compute/restorePointCollections/write",
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/beginGetAccess/action",
    ],
)
def test_a_missing_right_is_named(drilling: tuple[Drilling, Azure, BackupSet], limited: Drilling, missing: str) -> None:
    _, azure, found = drilling
    allow(limited, *(action for action in BACKUPS if action != missing))
    disks = AzureDisks(azure.caller(), CLUSTER)
    new = BackupSet("20261121-130000-000", CLUSTER, found.mode, SetState.PENDING, limited.now(), expected=("a",))
    with pytest.raises(Forbidden) as caught:
        disks.begin(new, disks.sources())
    assert caught.value.right == missing
